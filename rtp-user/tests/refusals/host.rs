//! The host that refuses: a sender's namespace with a receiver behind a cable.

use crate::support::{Ended, Krtp, Net, command::BINARY, media::sample_path};
use std::path::PathBuf;

/// What is refused, the words after `krtp`, and what the line must say: whom or
/// what it is about, and the remedy.
pub type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

/// A sender's host, and a directory of files in which `krtp` is run.
pub struct Host {
    pub net: Net,
    pub krtp: Krtp,
    /// What runs `krtp`, such as setpriv.
    pub runner: Vec<String>,
    pub binary: PathBuf,
}

impl Host {
    /// With the sample in its directory, as `sample.ts`.
    pub fn new() -> Self {
        let krtp = Krtp::new();
        std::os::unix::fs::symlink(sample_path(), krtp.directory().join("sample.ts")).expect("our directory");
        Self { net: Net::direct(), krtp, runner: Vec::new(), binary: BINARY.into() }
    }

    /// Runs `krtp LINE`, with a backtrace for any panic.
    #[track_caller]
    pub fn run(&self, line: &str) -> Ended {
        let binary = self.binary.to_str().expect("a path of letters");
        let mut words = self.runner.iter().map(String::as_str).chain([binary]).chain(line.split_whitespace());
        let mut command = self.net.a.command(words.next().expect("at least the binary"));
        command.args(words).env("RUST_BACKTRACE", "1").env_remove("RUST_LOG");
        command.env("XDG_CACHE_HOME", self.krtp.directory().join("cache"));
        command.current_dir(self.krtp.directory());
        self.krtp.spawn(command).wait()
    }

    /// Sees each case refused with one line, and the host as it was.
    #[track_caller]
    pub fn refuses(&self, cases: &[Case<'_>]) {
        for (case, line, says) in cases {
            let before = self.links();
            let ended = self.run(line);
            assert_eq!(ended.status.code(), Some(1), "{case}: {ended:?}");
            assert_eq!(ended.stdout, "", "{case}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{case}: one line: {ended:?}");
            assert!(ended.stderr.starts_with("krtp: "), "{case}: {ended:?}");
            for words in *says {
                assert!(ended.stderr.contains(words), "{case}: nothing of {words:?}: {ended:?}");
            }
            // A cause that its context quotes must not come again after it.
            assert!(ended.stderr.matches("(os error").count() < 2, "{case}: said twice: {ended:?}");
            assert_eq!(self.links(), before, "{case}: left on the host");
        }
    }

    /// Sees each case refused as a mistake on the command line.
    #[track_caller]
    pub fn calls_a_mistake(&self, cases: &[Case<'_>]) {
        for (case, line, says) in cases {
            let ended = self.run(line);
            assert_eq!(ended.status.code(), Some(2), "{case}: {ended:?}");
            assert_eq!(ended.stdout, "", "{case}: {ended:?}");
            let first = ended.stderr.lines().next().unwrap_or_default();
            assert!(first.starts_with("error: "), "{case}: {ended:?}");
            for words in *says {
                assert!(ended.stderr.contains(words), "{case}: nothing of {words:?}: {ended:?}");
            }
            assert!(!ended.stderr.contains("panicked"), "{case}: {ended:?}");
        }
    }

    fn links(&self) -> String {
        self.net.a.ip(&["-o", "link"])
    }
}

/// What is refused below would be taken if it were not bad.
#[test]
fn the_sample_itself_is_taken() {
    let host = Host::new();
    for engine in ["kernel", "user"] {
        let line = format!("stream sample.ts --to 198.18.0.2:5004 --pace none --engine {engine}");
        let ended = host.run(&line).well();
        assert!(ended.stderr.starts_with(&format!("krtp: {engine} engine on va: ")), "{ended:?}");
        assert!(ended.stdout.starts_with("sent 1,139 packets"), "{ended:?}");
    }
}
