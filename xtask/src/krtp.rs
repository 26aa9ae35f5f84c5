//! `load`, `attach`, `stream`, `flows`, `detach`, `doctor`: build krtp, then become it, as root.

use crate::{places, process};
use anyhow::Result;
use std::{ffi::OsString, path::PathBuf};

/// Builds the release binary and says where it is.
pub fn build() -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--quiet", "--release", "--package", "rtp-user"]))?;
    places::release("krtp")
}

/// Becomes `krtp COMMAND ARGUMENTS`.
pub fn run(command: &[&str], arguments: &[OsString]) -> Result<()> {
    process::become_(process::as_root(build()?)?.args(command).args(arguments))
}
