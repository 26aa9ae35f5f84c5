//! `test`: all tests, the privileged ones included.

use crate::{
    process::{self, cargo},
    setup::{self, Group},
};
use anyhow::{Context, Result};
use std::{ffi::OsString, process::Command};

/// Sets up, then becomes `cargo test --workspace ARGUMENTS`.
pub fn run(arguments: &[OsString]) -> Result<()> {
    setup::ensure(&[Group::Test])?;
    let mut cargo = cargo();
    cargo.args(["test", "--workspace"]).args(arguments);
    let prefix = process::root_prefix()?;
    if !prefix.is_empty() {
        println!("The tests make network namespaces and load BPF programs: they run as root, through sudo.");
        // Only the tests are root: what cargo builds stays the user's.
        cargo.env(runner_variable()?, prefix.join(" "));
    }
    process::become_(&mut cargo)
}

/// The environment variable that tells cargo what to run this host's binaries with.
fn runner_variable() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("`rustc -vV` names no host")?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_")))
}
