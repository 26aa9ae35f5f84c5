//! What came of a machine's work, read from the files that it left.

use super::{
    Series,
    debian::Kernel,
    job::Test,
    machine::{End, Machine},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fmt::Write, fs, path::Path};

/// One kernel's.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Which kernel.
    pub series: Series,
    /// Its package and version.
    pub package: String,
    /// How the machine ended.
    pub end: End,
    /// The instructions that the verifier went through, if it took the program.
    pub verified: Option<u64>,
    /// How packets went, as krtp reports it: `tcx, batches through the segmenter`.
    pub path: Option<String>,
    /// How fq kept the departure times of krtp's packets.
    pub pacing: Pacing,
    /// Per test binary.
    pub tests: Vec<Tested>,
    /// Of what went wrong beside the tests, a name and the last lines that were said of it.
    pub words: Vec<(&'static str, Vec<String>)>,
}

/// What the independent receiver of `krtp-bench pacing` found.
#[derive(Clone, Debug, PartialEq)]
pub struct Pacing {
    /// In words.
    pub shown: String,
    /// Whether the kernel kept departure times.
    pub good: bool,
}

/// One test binary's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Its name.
    pub name: String,
    /// Tests that passed.
    pub passed: usize,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// Tests of which nothing was heard: never begun, or hung.
    pub open: usize,
    /// What tests said that they cannot show on this kernel.
    pub not_here: Vec<String>,
    /// How long it took, if it came to its end.
    pub seconds: Option<u64>,
    /// What the tests that failed said; the last lines of all, if some did not come to their end.
    pub words: Vec<String>,
}

/// What a test writes in front of what its kernel cannot do.
pub const NOT_HERE: &str = "not on this kernel: ";

impl Outcome {
    /// Reads what `machine` left.
    pub fn read(kernel: &Kernel, tests: &[Test], machine: &Machine, end: End) -> Result<Self> {
        let text = |name: &str| {
            let path = machine.results().join(name);
            String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
        };
        let tested = |test: &Test| {
            let log = text(&format!("{}.log", test.name));
            Tested::read(&test.name, &log, &text(&format!("{}.ended", test.name)))
        };
        let console = fs::read(machine.console()).context("the console")?;
        let console = String::from_utf8_lossy(&console);
        let (doctor, stream) = (text("doctor.log"), text("stream.log"));
        let (verified, path, pacing) = (verified(&doctor), path(&stream), Pacing::read(&text("pacing.json")));
        let words = [
            (end == End::Done, "the console", &*console),
            (verified.is_some(), "doctor", &doctor),
            (path.is_some(), "stream", &stream),
            (pacing.good, "pacing", &text("pacing.log")),
        ];
        Ok(Self {
            series: kernel.series,
            package: kernel.package.clone(),
            words: words
                .into_iter()
                .filter(|(good, ..)| !good)
                .map(|(_, name, log)| (name, last(log)))
                .collect(),
            end,
            verified,
            path,
            pacing,
            tests: tests.iter().map(tested).collect(),
        })
    }

    /// Whether nothing failed and nothing is open.
    pub fn is_good(&self) -> bool {
        let tests = self.tests.iter().all(|test| test.passed > 0 && test.failed.is_empty() && test.open == 0);
        let krtp = self.verified.is_some() && self.path.is_some() && self.pacing.good;
        self.end == End::Done && krtp && tests
    }
}

/// Between two packets of the bench's file are 2.6 ms: packets that leave as they are handed over, 47 at once, have a
/// median error of that. Two machines side by side without KVM are no place for a finer bar.
const PACED_NS: f64 = 1.3e6;

impl Pacing {
    fn read(report: &str) -> Self {
        let report: Value = serde_json::from_str(report).unwrap_or_default();
        let row = &report["rows"][0];
        let figure = |name: &str| row[name].as_f64();
        let figures = || {
            let (p50, p99) = (figure("error_p50_ns")?, figure("error_p99_ns")?);
            Some((p50, p99, row["longest_burst"].as_u64()?, figure("rate_ppm")?))
        };
        let Some((p50, p99, burst, ppm)) = figures() else {
            let why = row["not_measured"].as_str().unwrap_or("nothing was measured");
            return Self { shown: format!("no: {why}"), good: false };
        };
        let shown =
            format!("off by {:.0} us p50, {:.0} us p99; burst {burst}; {ppm:+.0} ppm", p50 / 1e3, p99 / 1e3);
        Self { shown, good: p50 < PACED_NS }
    }
}

impl Tested {
    /// From what the test binary printed, and from its exit code and seconds.
    fn read(name: &str, log: &str, ended: &str) -> Self {
        let results = log.lines().filter_map(|line| line.strip_prefix("test ")?.rsplit_once(" ... "));
        let (mut passed, mut failed) = (0, Vec::new());
        for (test, result) in results {
            match result {
                "ok" => passed += 1,
                "FAILED" => failed.push(test.to_owned()),
                _ => {}
            }
        }
        let all = log.lines().find_map(|line| line.strip_prefix("running ")?.split(' ').next()?.parse().ok());
        let open = all.unwrap_or(0usize).saturating_sub(passed + failed.len());
        let not_here =
            log.lines().filter_map(|line| line.strip_prefix(NOT_HERE)).map(str::to_owned).collect();
        let seconds = ended.split_whitespace().nth(1).and_then(|seconds| seconds.parse().ok());
        let words = if open > 0 { last(log) } else { words(log) };
        Self { name: name.to_owned(), passed, failed, open, not_here, seconds, words }
    }

    /// As a cell of the table.
    pub fn shown(&self) -> String {
        let mut shown = format!("{} passed", self.passed);
        if !self.failed.is_empty() {
            _ = write!(shown, ", {} failed", self.failed.len());
        }
        if self.open > 0 {
            _ = write!(shown, ", {} not finished", self.open);
        }
        shown
    }
}

/// Lines of a log's end that are shown.
const LAST: usize = 12;
/// Lines of what failed tests said that are shown.
const MOST: usize = 60;

fn last(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LAST)..].iter().map(|line| (*line).to_owned()).collect()
}

/// What a test binary tells of its failed tests: between `failures:` and `failures:`, the list of their names.
fn words(log: &str) -> Vec<String> {
    let mut parts = log.split("\nfailures:\n");
    let told = parts.nth(1).filter(|_| parts.next().is_some()).unwrap_or_default();
    told.lines().filter(|line| !line.is_empty()).take(MOST).map(str::to_owned).collect()
}

/// A step's end in a few words, from its `.ended` file.
pub fn in_short(ended: &Path) -> String {
    let status = fs::read_to_string(ended).unwrap_or_default();
    let log = fs::read(ended.with_extension("log")).unwrap_or_default();
    let name = ended.file_stem().unwrap_or_default().to_string_lossy();
    let tested = Tested::read(&name, &String::from_utf8_lossy(&log), &status);
    let code = status.split_whitespace().next().unwrap_or("?");
    match (tested.passed + tested.failed.len() + tested.open, code) {
        (0, "0") => "ok".to_owned(),
        (0, code) => format!("failed (exit {code})"),
        _ => format!("{}, {} s", tested.shown(), tested.seconds.unwrap_or_default()),
    }
}

/// Of the program that does the work, from `krtp doctor --load`: name, tag, instructions, verified, octets.
fn verified(doctor: &str) -> Option<u64> {
    let line = doctor.lines().find(|line| line.starts_with("krtp_by_slot "))?;
    line.split_whitespace().nth(3)?.replace(',', "").parse().ok()
}

/// From `krtp stream --json`, if the stream came to its end.
fn path(stream: &str) -> Option<String> {
    let report: Value = stream.lines().find_map(|line| serde_json::from_str(line).ok())?;
    (report["ended"] == "end").then(|| report["path"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\nrunning 4 tests\n\
        test kill::a ... ok\n\
        test kill::b has been running for over 60 seconds\n\
        not on this kernel: a tcx link beside ours\n\
        test kill::c ... FAILED\n\
        test kill::a ... ok\n";

    #[test]
    fn what_is_not_heard_of_is_open() {
        let tested = Tested::read("host", LOG, "");
        assert_eq!(
            (tested.passed, tested.failed.as_slice(), tested.open),
            (2, &["kill::c".to_owned()][..], 1)
        );
        assert_eq!(tested.not_here, ["a tcx link beside ours"]);
        assert_eq!(tested.shown(), "2 passed, 1 failed, 1 not finished");
        assert_eq!(tested.words.last().map(String::as_str), Some("test kill::a ... ok"), "the log's end");
        assert_eq!(Tested::read("host", LOG, "101 77\n").seconds, Some(77));
        assert_eq!(Tested::read("host", "", "").shown(), "0 passed");
    }

    #[test]
    fn what_failed_tests_said_is_kept() {
        let log = "\nrunning 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n\n\
            thread 'b' panicked at tests/host/changes.rs:90:9:\n1000?\n\n\nfailures:\n    b\n\ntest result: FAILED.\n";
        let tested = Tested::read("host", log, "101 7\n");
        let place = "thread 'b' panicked at tests/host/changes.rs:90:9:";
        assert_eq!(tested.words, ["---- b stdout ----", place, "1000?"]);
        assert_eq!(Tested::read("host", "running 1 test\ntest a ... ok\n", "0 1\n").words, [""; 0]);
    }

    #[test]
    fn pacing_is_read_or_its_lack_said() {
        let report =
            r#"{"rows":[{"error_p50_ns":9400.0,"error_p99_ns":81000.0,"longest_burst":2,"rate_ppm":-3.2}]}"#;
        let pacing = Pacing::read(report);
        assert_eq!(pacing.shown, "off by 9 us p50, 81 us p99; burst 2; -3 ppm");
        assert!(pacing.good);
        assert!(!Pacing::read(&report.replace("9400.0", "2600000.0")).good);
        assert_eq!(Pacing::read(r#"{"rows":[{"not_measured":"no fq"}]}"#).shown, "no: no fq");
        assert_eq!(Pacing::read("").shown, "no: nothing was measured");
    }

    #[test]
    fn doctor_and_stream_are_read() {
        let doctor = "program tag\nkrtp_egress   a2ba6937296da072             9        10               98\n\
                      krtp_by_slot  aa792fedfd613fe8          1353     10364             6280\n";
        assert_eq!(verified(doctor), Some(10364));
        assert_eq!(verified("krtp: the kernel refuses the program"), None);
        assert_eq!(path("a warning\n{\"ended\":\"end\",\"path\":\"tcx, x\"}\n").as_deref(), Some("tcx, x"));
        assert_eq!(path("{\"ended\":\"failed\",\"path\":\"tcx, x\"}\n"), None);
    }
}
