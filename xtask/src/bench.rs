//! `bench`: the measurements, as root, from a release build.

use crate::{
    kernels::pacing,
    process,
    setup::{self, Group},
};
use anyhow::Result;
use std::ffi::OsString;

/// Builds krtp and the bench, and becomes the bench; `pacing` runs in a machine whose kernel has fq.
pub fn run(arguments: &[OsString]) -> Result<()> {
    if arguments.first().is_some_and(|first| first == "pacing") {
        return pacing::run(arguments);
    }
    if arguments.first().is_some_and(|first| first == "flows" || first == "speed") {
        setup::ensure(&[Group::Test])?; // ffmpeg, GStreamer
    }
    if arguments.first().is_some_and(|first| first == "paths" || first == "kernel") {
        setup::ensure(&[Group::Bench])?; // strace, perf
    }
    if arguments.first().is_some_and(|first| first == "peers") {
        setup::ensure(&[Group::Test, Group::Bench, Group::Peers])?; // ffmpeg, GStreamer; multicat; VLC
    }
    pacing::build()?;
    process::become_(process::as_root(pacing::bench()?)?.args(arguments))
}
