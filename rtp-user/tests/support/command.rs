//! The command under test, run in a namespace.

use super::{Namespace, slowness, wait_for};
use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};
use serde_json::Value;
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// The binary of this build.
pub const BINARY: &str = env!("CARGO_BIN_EXE_krtp");

/// `krtp` in one namespace, with a cache and files of its own.
#[derive(Debug)]
pub struct Krtp {
    directory: TempDir,
    count: AtomicU32,
}

/// A process of ours, killed on drop.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a process left.
#[derive(Debug)]
pub struct Ended {
    /// What it was.
    pub shown: String,
    /// Its exit.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Krtp {
    /// With an empty cache.
    pub fn new() -> Self {
        let directory = TempDir::with_prefix("krtp-test-").expect("a directory for temporary files");
        Self { directory, count: AtomicU32::new(0) }
    }

    /// A place for the test's files, gone after it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file for the test.
    pub fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.directory().join(name);
        fs::write(&path, octets).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Starts `krtp ARGUMENTS` in `namespace`.
    #[track_caller]
    pub fn start(&self, namespace: &Namespace, arguments: &[&str]) -> Running {
        self.start_under(namespace, &[], arguments)
    }

    /// The same, run by another command such as strace.
    #[track_caller]
    pub fn start_under(&self, namespace: &Namespace, runner: &[&str], arguments: &[&str]) -> Running {
        let mut words = runner.iter().chain(&[BINARY]).chain(arguments);
        let mut command = namespace.command(words.next().expect("at least the binary"));
        if slowness() > 1 {
            stay_on_one(&mut command);
        }
        command.args(words).env("RUST_BACKTRACE", "0").env_remove("RUST_LOG");
        command.env("XDG_CACHE_HOME", self.directory().join("cache"));
        self.spawn(command)
    }

    /// Runs `krtp ARGUMENTS` in `namespace` to its end.
    #[track_caller]
    pub fn run(&self, namespace: &Namespace, arguments: &[&str]) -> Ended {
        self.start(namespace, arguments).wait()
    }

    /// Starts any command, its output kept.
    #[track_caller]
    pub fn spawn(&self, mut command: Command) -> Running {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let place = |name| self.directory().join(format!("{number}.{name}"));
        let (stdout, stderr) = (place("stdout"), place("stderr"));
        let file = |path| File::create(path).expect("a file in a directory of ours");
        command.stdout(file(&stdout)).stderr(file(&stderr));
        let shown = format!("{command:?}").replace('"', "");
        let child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Running { child, shown, stdout, stderr }
    }
}

/// A veth queues packets on the processor that sent them: where one of a slow
/// machine's processors stalls, another's packets would pass.
fn stay_on_one(command: &mut Command) {
    let mut first = CpuSet::new();
    first.set(0);
    // SAFETY: one system call, of memory that the closure owns.
    unsafe { command.pre_exec(move || Ok(sched_setaffinity(None, &first)?)) };
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{}: {error}", self.shown));
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// What it said on standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        wait_for(&format!("end of {}", self.shown), || self.child.try_wait().expect("our child"));
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Ended {
            shown: self.shown.clone(),
            status: self.child.wait().expect("our child"),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Sees that it ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert!(self.status.success(), "{}: {}: {}{}", self.shown, self.status, self.stdout, self.stderr);
        self
    }

    /// The JSON object that it printed, alone.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}: one line of JSON: {self:?}", self.shown);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}: {self:?}", self.shown))
    }

    /// The one line that says why it failed: the last of standard error, which
    /// begins with the command's name. Nothing else there may look like a failure.
    #[track_caller]
    pub fn failure(&self) -> &str {
        assert_eq!(self.status.code(), Some(1), "{}: it must fail: {self:?}", self.shown);
        assert!(!self.stderr.contains("panicked"), "{}: {}", self.shown, self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        last.strip_prefix("krtp: ").unwrap_or_else(|| panic!("{}: no clear line: {self:?}", self.shown))
    }
}
