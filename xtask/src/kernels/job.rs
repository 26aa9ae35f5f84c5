//! What a machine is to do: the test binaries of this build, and krtp on one cable.

use super::pacing;
use crate::{
    places::{self, quoted},
    process, sample,
};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::{self, Write},
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr,
};

/// Tests that show nothing more in a machine than on the host.
const NOT_IN_A_MACHINE: [(&str, &str); 4] = [
    ("support", "no tests, but what they share"),
    ("refusals", "refused before the kernel is asked"),
    (
        "timing",
        "without fq user space paces, and no kernel does it otherwise; with fq the bench's receiver judges",
    ),
    ("receivers", "what is received is the same, and decoding video takes long in a machine"),
];
/// Seconds that one test binary may take.
const LIMIT: u64 = 900;

/// A test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Its directory in `rtp-user/tests`.
    pub name: String,
    /// Where cargo put it.
    pub path: PathBuf,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.path.display())
    }
}

impl FromStr for Test {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, path) = text.split_once('=').context("NAME=PATH")?;
        Ok(Self { name: name.to_owned(), path: path.into() })
    }
}

/// Builds the tests that are `asked` for, or all that run in a machine, and krtp with them. Optimised: a machine
/// without KVM is slow enough.
pub fn build(asked: &[String]) -> Result<Vec<Test>> {
    let there = there()?;
    if let Some(unknown) = asked.iter().find(|name| !there.contains(name)) {
        bail!("there is no test {unknown} for a machine; there are {}", there.join(", "));
    }
    let names = if asked.is_empty() { &there } else { asked };
    let mut cargo = process::cargo();
    cargo.args(["test", "--quiet", "--release", "--no-run", "--package", "rtp-user"]);
    cargo
        .args(names.iter().flat_map(|name| ["--test", name]))
        .arg("--message-format=json-render-diagnostics");
    println!("Building {} …", names.join(", "));
    let output = cargo.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("`{}` failed ({})", process::shown(&cargo), output.status);
    }
    let mut tests = executables(&String::from_utf8_lossy(&output.stdout));
    tests.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tests)
}

/// The names of all tests that run in a machine.
fn there() -> Result<Vec<String>> {
    let directory = places::root().join("rtp-user/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if NOT_IN_A_MACHINE.iter().all(|(not, _)| name != *not) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The test binaries that cargo's messages name.
fn executables(messages: &str) -> Vec<Test> {
    let of = |line: &str| -> Option<Test> {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"] == true;
        let (name, path) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
        is_test.then(|| Test { name: name.to_owned(), path: path.into() })
    };
    messages.lines().filter_map(of).collect()
}

/// The machine's work, for `sh`.
pub fn script(tests: &[Test]) -> Result<String> {
    let krtp = quoted(&places::release("krtp")?);
    let sample = quoted(&places::root().join(sample::FILE));
    // What a late sender makes up for is more than a slow machine's softirqs keep up with: beyond the usual 1,000
    // packets a processor drops what waits for them.
    let mut script = format!(
        "echo 100000 > /proc/sys/net/core/netdev_max_backlog\n\
         ip netns add probe\n\
         ip -n probe link add va type veth peer name vb\n\
         ip -n probe address add 198.18.0.1/24 dev va\n\
         ip -n probe link set va up\n\
         ip -n probe link set vb up\n\
         ip -n probe neighbour add 198.18.0.2 lladdr 02:00:00:00:00:02 dev va\n\
         inside='nsenter --net=/run/netns/probe'\n\
         step doctor 120 $inside {krtp} doctor --load va\n\
         step stream 120 $inside {krtp} stream {sample} --to 198.18.0.2:5004 --pace none --engine kernel --json\n\
         ip netns delete probe\n\
         cd {}\n",
        quoted(&places::root().join("rtp-user"))
    );
    let (bench, directory) = (quoted(&pacing::bench()?), pacing::directory()?);
    writeln!(script, "step pacing 120 {bench} {} --directory {}", PACING.join(" "), quoted(&directory))?;
    writeln!(script, "cp {} /mnt/", quoted(&directory.join("pacing.json")))?;
    for test in tests {
        // Most tests wait more than they work.
        let binary = quoted(&test.path);
        writeln!(script, "step {} {LIMIT} {binary} --test-threads 4", test.name)?;
    }
    Ok(script)
}

/// The senders whose pacing every kernel has to keep, and for how long: krtp's with fq.
const PACING: [&str; 5] = ["pacing", "--seconds", "10", "--row", "krtp-fq"];

/// Builds the bench and makes the file that it streams.
pub fn prepare_pacing() -> Result<()> {
    pacing::build()?;
    let mut bench = Command::new(pacing::bench()?);
    process::run(bench.args(PACING).arg("--directory").arg(pacing::directory()?).arg("--prepare"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_binaries_are_taken_from_cargo_s_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"krtp"},"profile":{"test":false},"executable":"/t/krtp"}
{"reason":"compiler-artifact","target":{"name":"rtp_common"},"profile":{"test":true},"executable":null}
{"reason":"compiler-artifact","target":{"name":"wire"},"profile":{"test":true},"executable":"/t/deps/wire-1"}
{"reason":"build-finished","success":true}
not JSON"#;
        assert_eq!(executables(messages), ["wire=/t/deps/wire-1".parse().unwrap()]);
    }

    #[test]
    fn every_exception_is_there() {
        for (name, _) in NOT_IN_A_MACHINE {
            assert!(places::root().join("rtp-user/tests").join(name).is_dir(), "{name}");
        }
    }
}
