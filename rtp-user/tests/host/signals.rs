//! SIGINT and SIGTERM: what was promised is sent or reported, and nothing stays.

use crate::support::{
    Capture, Net, State,
    expect::number,
    media::{sample, sample_path},
    wait_for,
};
use rustix::process::Signal;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

/// Stops a stream without end when some packets have come.
fn stop(engine: &str, pace: &str, signal: Signal) {
    let name = format!("{engine} engine, --pace {pace}, {signal:?}");
    let net = Net::resolving();
    net.slow_down();
    let before = State::of(&net.a);
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--loop"];
    let running = net.start_stream(&[&arguments[..], &["--engine", engine, "--pace", pace]].concat());
    wait_for("packets", || (capture.len() > 100).then_some(()));
    running.signal(signal);
    let ended = running.wait();
    assert_eq!(ended.status.code(), Some(0), "{name}: {ended:?}");
    assert_eq!(State::of(&net.a), before, "{name}: what is left");
    let report = ended.json();
    assert_eq!(report["ended"], "stopped", "{name}: {report}");
    let packets = number(&report, "packets");
    let datagrams = capture.datagrams(destination, packets);
    assert_eq!(datagrams.len(), packets, "{name}: packets that came");
    let last = datagrams.last().expect("many").rtp().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(report["last_sequence"], last.sequence, "{name}: {report}");
    assert_eq!(report["last_timestamp"], last.timestamp, "{name}: {report}");
}

#[test]
fn interrupted_while_paced() {
    stop("kernel", "pcr", Signal::INT);
    stop("user", "8000000", Signal::INT);
}

#[test]
fn terminated_while_paced() {
    stop("kernel", "8000000", Signal::TERM);
    stop("user", "pcr", Signal::TERM);
}

#[test]
fn stopped_while_unpaced() {
    stop("kernel", "none", Signal::INT);
    stop("kernel", "none", Signal::TERM);
    stop("user", "none", Signal::TERM);
}

/// For a person the report is in words, and a stop is no failure.
#[test]
fn the_report_in_words() {
    let net = Net::direct();
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let path = sample_path();
    let arguments = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--loop"];
    let running = net.krtp.start(&net.a, &arguments);
    wait_for("packets", || (capture.len() > 20).then_some(()));
    running.signal(Signal::INT);
    let ended = running.wait().well();
    assert!(ended.stdout.starts_with("stopped after "), "{ended:?}");
    assert!(ended.stderr.contains("kernel engine on va: "), "{ended:?}");
}

/// Before the first packet, too: what is set up by then is taken away again.
#[test]
fn stopped_while_it_is_set_up() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--loop"]].concat());
    wait_for("segmenter", || net.a.ip(&["-o", "link"]).contains("krtp0@va").then_some(()));
    running.signal(Signal::TERM);
    let ended = running.wait().well();
    assert_eq!(ended.json()["ended"], "stopped", "{ended:?}");
    assert_eq!(State::of(&net.a), before);
}

/// And while it reads up to its start: here beyond four gigabytes in which there is no packet.
#[test]
fn stopped_while_it_reads_up_to_its_start() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let (sample, hole) = (sample(), 4_000_000_000);
    let half = sample.len() / 188 / 2 * 188;
    let path = net.krtp.file("hole.ts", &sample[..half]);
    let film = File::options().write(true).open(&path).expect("ours");
    film.write_all_at(&sample[half..], half as u64 + hole).expect("a file system that has holes");
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--start", "5"]].concat());
    wait_for("segmenter", || net.a.ip(&["-o", "link"]).contains("krtp0@va").then_some(()));
    running.signal(Signal::INT);
    let ended = running.wait().well();
    let report = ended.json();
    assert_eq!((&report["ended"], &report["packets"]), (&"stopped".into(), &0.into()), "{ended:?}");
    let cache = net.krtp.directory().join("cache/krtp");
    let kept: Vec<_> = fs::read_dir(cache).into_iter().flatten().flatten().collect();
    assert!(kept.is_empty(), "it was read to the end: {kept:?}");
    assert_eq!(State::of(&net.a), before);
}
