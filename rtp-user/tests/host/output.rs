//! Standard output that nobody reads, or that is full: what was done is done.

use crate::support::{Net, State, command::BINARY, media::sample_path};
use std::{
    fs::{self, File},
    process::{Output, Stdio},
};

/// Runs `krtp WORDS` with standard output to `/dev/full`, or to a pipe that
/// nobody reads any more.
fn unread(net: &Net, full: bool, words: &[&str]) -> Output {
    let mut command = net.a.command(BINARY);
    command.args(words).env("XDG_CACHE_HOME", net.krtp.directory().join("cache"));
    let out = if full {
        Stdio::from(File::options().write(true).open("/dev/full").expect("Linux has it"))
    } else {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer.into()
    };
    command.stdout(out).stderr(Stdio::piped()).output().expect("it is there")
}

/// Sees that it ended with `code`, and what it said.
#[track_caller]
fn said(output: &Output, full: bool, code: i32) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let lost = stderr.contains("krtp: cannot write to standard output: No space left on device");
    assert_eq!(lost, full, "{stderr}");
    stderr.lines().map(str::to_owned).collect()
}

#[test]
fn a_report_that_cannot_be_written_is_no_failure_of_the_stream() {
    let net = Net::direct();
    let path = sample_path();
    let stream = ["stream", path.to_str().expect("letters"), "--to", "198.18.0.2:5004", "--pace", "none"];
    for full in [false, true] {
        for report in [&[][..], &["--json"]] {
            said(&unread(&net, full, &[&stream[..], report].concat()), full, 0);
        }
    }
}

#[test]
fn why_a_stream_failed_is_said_without_a_report() {
    let net = Net::direct();
    let copy = net.krtp.directory().join("a.krtp");
    let name = copy.to_str().expect("letters");
    net.krtp.run(&net.a, &["prepare", sample_path().to_str().expect("letters"), "-o", name]).well();
    let mut octets = fs::read(&copy).expect("it was made");
    octets[5000] ^= 1;
    fs::write(&copy, octets).expect("ours");
    for full in [false, true] {
        let stream = ["stream", name, "--to", "198.18.0.2:5004", "--pace", "none"];
        let lines = said(&unread(&net, full, &stream), full, 1);
        let last = lines.last().expect("why it failed");
        assert!(last.contains("a.krtp is damaged"), "{lines:?}");
    }
}

#[test]
fn an_interface_is_attached_and_detached_without_a_word() {
    let net = Net::direct();
    let before = State::of(&net.a);
    for full in [false, true] {
        said(&unread(&net, full, &["attach", "va"]), full, 0);
        assert_ne!(State::of(&net.a), before);
        said(&unread(&net, full, &["detach", "va"]), full, 0);
        assert_eq!(State::of(&net.a), before);
    }
}
