//! `ci`: everything a change has to pass, as the one script that says it.

use crate::{places, process};
use anyhow::Result;
use std::process::Command;

/// Becomes `.ci/run`.
pub fn run() -> Result<()> {
    process::become_(&mut Command::new(places::root().join(".ci/run")))
}
