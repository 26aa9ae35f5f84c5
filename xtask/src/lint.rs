//! `lint`: formatting and clippy, warnings denied, for both toolchains.

use crate::{
    build_ebpf, places,
    process::{self, cargo},
    setup::{self, Group},
    toolchain::{self, Toolchain},
};
use anyhow::{Context, Result};
use std::process::{Command, Stdio};

const DENY: &[&str] = &["--", "--deny", "warnings"];

/// Checks formatting, then lints the workspace, then the object's source.
pub fn run() -> Result<()> {
    setup::ensure(&[Group::Object, Group::Lint])?;
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    process::run(cargo().args(["fmt", "--check", "--manifest-path", "rtp-ebpf/Cargo.toml"]))?;
    process::run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets"]).args(DENY))?;
    // `cargo clippy` would run rustup's cargo-clippy, which cargo finds in its home before Debian's.
    let mut object = build_ebpf::command(&Toolchain::ensure()?, toolchain::CARGO_CLIPPY)?;
    object.args(["clippy", "--quiet", "--release", "--locked"]).args(build_ebpf::BPF_TARGET);
    process::run(object.args(DENY))?;
    println!("lint: nothing to say");
    Ok(())
}

/// rustfmt and clippy of rustup's toolchain, which a minimal profile lacks.
pub fn ensure_components() -> Result<()> {
    let there = |name: &str| {
        let mut ask = cargo();
        ask.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        ask.status().is_ok_and(|status| status.success())
    };
    if there("fmt") && there("clippy") {
        return Ok(());
    }
    let rustup =
        places::on_path("rustup").context("rustfmt and clippy are missing, and there is no rustup")?;
    println!("setup: rustup adds rustfmt and clippy");
    process::run(Command::new(rustup).args(["component", "add", "rustfmt", "clippy"]))
}
