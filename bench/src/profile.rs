//! Where this process spends its CPU time, as perf samples it (cpu-clock).

use crate::cpu;
use anyhow::{Context, ensure};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    time::{ClockId, clock_gettime},
    unistd::{Pid, mkfifo},
};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    ops::Range,
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Samples per second.
const RATE: &str = "19999";
/// How long perf may take until it samples, milliseconds.
const PATIENCE: u16 = 20_000;

/// perf, watching this process.
#[derive(Debug)]
pub struct Recorder {
    perf: Child,
    directory: TempDir,
}

/// When something was watched: nanoseconds of `CLOCK_MONOTONIC`.
pub type Window = Range<u64>;

impl Recorder {
    /// Starts perf, and waits until it samples. Of each stack it keeps the innermost `functions`.
    pub fn start(functions: u16) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("a directory for the profile")?;
        let [control, answers] = ["control", "answers"].map(|name| directory.path().join(name));
        let (mut asking, mut answering) = (pipe(&control)?, pipe(&answers)?);
        let mut command = Command::new("perf");
        // Disabled until it is asked, so that its answer says when it has begun.
        command.args(["record", "-q", "-B", "-N", "-g", "-F", RATE]);
        command.arg("-e").arg(format!("cpu-clock/max-stack={functions}/"));
        command.args(["-k", "CLOCK_MONOTONIC", "-D", "-1", "-p", &std::process::id().to_string()]);
        command.arg(format!("--control=fifo:{},{}", control.display(), answers.display()));
        command.arg("-o").arg(directory.path().join("data")).stdin(Stdio::null());
        let perf = command.spawn().context("cannot run perf (Debian package linux-perf)")?;
        let recorder = Self { perf, directory };
        cpu::leave(Pid::from_raw(recorder.perf.id().cast_signed()))?;
        asking.write_all(b"enable\n").context("perf's pipe")?;
        let mut asked = [PollFd::new(answering.as_fd(), PollFlags::POLLIN)];
        let answers = poll(&mut asked, PollTimeout::from(PATIENCE)).context("poll")?;
        ensure!(answers > 0, "perf does not begin");
        let mut answer = [0; 4];
        answering.read_exact(&mut answer).context("perf's pipe")?;
        Ok(recorder)
    }

    /// Ends perf, and has `see` look at the time of every sample and at its functions, the innermost first.
    pub fn end(mut self, see: impl FnMut(u64, &[&str])) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.perf.id().cast_signed()), Signal::SIGINT).context("ending perf")?;
        self.perf.wait()?;
        let mut script = Command::new("perf");
        script.arg("script").arg("-i").arg(self.directory.path().join("data"));
        script.args(["--ns", "--no-inline", "-F", "time,ip,sym"]).stdout(Stdio::piped());
        let mut script = script.spawn().context("perf script")?;
        // It says more than memory should have to hold.
        let said = script.stdout.take().map(|said| read(BufReader::new(said), see));
        ensure!(script.wait()?.success(), "perf script failed");
        said.context("perf script says nothing")?
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Where it was not ended; where it was, neither does anything.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

/// Does `work` again and again for `time`, and says when that was.
pub fn during(time: Duration, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Window> {
    let begin = now()?;
    let end = begin + u64::try_from(time.as_nanos())?;
    while now()? < end {
        work()?;
    }
    Ok(begin..now()?)
}

/// A named pipe that nobody has to wait for on opening.
fn pipe(path: &Path) -> anyhow::Result<File> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).context("a pipe to perf")?;
    OpenOptions::new().read(true).write(true).open(path).context("a pipe to perf")
}

fn now() -> anyhow::Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).context("CLOCK_MONOTONIC")?);
    Ok(u64::try_from(now.as_nanos())?)
}

/// Reads what `perf script` prints: stacks with an empty line between them, each behind its time.
fn read(script: impl BufRead, mut see: impl FnMut(u64, &[&str])) -> anyhow::Result<()> {
    let (mut time, mut stack) = (None, String::new());
    let mut done = |time: &mut Option<u64>, stack: &mut String| {
        if let Some(time) = time.take() {
            see(time, &stack.lines().collect::<Vec<_>>());
        }
        stack.clear();
    };
    for line in script.lines() {
        let line = line.context("perf script")?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (None, _) => done(&mut time, &mut stack),
            (Some(word), None) if time.is_none() => time = nanoseconds(word),
            (_, function) => {
                stack.push_str(function.unwrap_or_default());
                stack.push('\n');
            }
        }
    }
    done(&mut time, &mut stack);
    Ok(())
}

/// Of a time such as `12.000000345:`.
fn nanoseconds(time: &str) -> Option<u64> {
    let (seconds, rest) = time.strip_suffix(':')?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + rest.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn stacks_come_with_their_times() {
        let script = "   12.000000345: \n\tffffffff8 _copy_from_iter\n\tffffffff9 <a::B as c::D>::send\n\n\
                      12.500000000: \n\tffffffff8 read\n\n13.000000000:\n\t0 [unknown]\n";
        let mut seen = Vec::new();
        read(script.as_bytes(), |time, stack| seen.push((time, stack.join(" < ")))).expect("a script");
        let expected = [
            (12_000_000_345, "_copy_from_iter < <a::B"),
            (12_500_000_000, "read"),
            (13_000_000_000, "[unknown]"),
        ];
        assert_eq!(seen, expected.map(|(time, stack)| (time, stack.to_owned())));
    }
}
