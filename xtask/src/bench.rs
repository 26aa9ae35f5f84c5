//! `bench`: the measurements, as root, from a release build.

use crate::{places, process};
use anyhow::Result;
use std::ffi::OsString;

/// Builds krtp and the bench, and becomes the bench.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let packages = ["--package", "rtp-user", "--package", "krtp-bench"];
    process::run(process::cargo().args(["build", "--quiet", "--release"]).args(packages))?;
    process::become_(process::as_root(places::release("krtp-bench")?)?.args(arguments))
}
