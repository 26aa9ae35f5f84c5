//! `krtp watch` as a receiver.

use anyhow::{Context, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long after a sender's end what it sent may still come: longer than any sender here is ahead of its time.
pub const DRAIN: Duration = Duration::from_millis(1500);

/// One that runs; it goes with its value.
#[derive(Debug)]
pub struct Watcher(Child);

impl Watcher {
    /// Starts to watch `interface` of the calling thread's network namespace, with `options`.
    pub fn start(krtp: &Path, interface: &str, options: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(krtp);
        command.args(["watch", interface, "--json"]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut watcher = Self(command.spawn().context("krtp watch")?);
        // It says that it watches once it does.
        let mut said = String::new();
        let words = watcher.0.stderr.take().context("a pipe")?;
        BufReader::new(words).read_line(&mut said)?;
        ensure!(said.contains("watching"), "krtp watch: {}", said.trim());
        Ok(watcher)
    }

    /// What it saw, once it is asked.
    pub fn finish(mut self) -> anyhow::Result<Value> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).context("ending krtp watch")?;
        let mut said = Vec::new();
        self.0.stdout.take().context("a pipe")?.read_to_end(&mut said)?;
        serde_json::from_slice(&said).context("what krtp watch reports")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The first fails when it has ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
