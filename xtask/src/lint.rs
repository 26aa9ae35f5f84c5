//! `lint`: formatting and clippy, warnings denied, for both toolchains.

use crate::{
    build_ebpf,
    process::{self, cargo},
    setup::{self, Group},
    toolchain::{self, Toolchain},
};
use anyhow::Result;

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
