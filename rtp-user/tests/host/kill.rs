//! SIGKILL in mid-stream: nothing stays.

use crate::support::{Capture, Held, Net, State, media::sample_path, wait_for};
use rustix::process::Signal;
use std::fs;

/// A stream without end, killed when some packets have come: no other leaves
/// without its header, and nothing stays.
fn kill(to: &[&str], watch: &str, pace: &str) {
    let net = Net::direct();
    net.slow_down();
    net.add_second();
    let before = State::of(&net.a);
    let capture = Capture::start(if watch == "lo" { &net.a } else { &net.b }, watch, &[5004]);
    let path = sample_path();
    let mut arguments = vec![path.to_str().expect("a name"), "--loop", "--engine", "kernel", "--pace", pace];
    arguments.extend(to.iter().flat_map(|to| ["--to", to]));
    let running = net.start_stream(&arguments);
    let destination = to[0].parse().expect("an address");
    wait_for("packets", || (capture.len() > 100).then_some(()));
    let held = Held::by(running.pid());
    assert!(held.kinds().is_superset(&["map", "prog"].into()), "krtp streams: {held:?}");
    // By its link where the kernel has tcx, by its filter where not.
    let attached = held.kinds().contains("link") || State::of(&net.a) != before;
    assert!(attached, "the program is on the interface: {held:?}");
    running.signal(Signal::KILL);
    let ended = running.wait();
    assert!(!ended.status.success());
    before.wait_for(&net.a);
    held.wait_until_gone();
    for (number, datagram) in capture.so_far(destination).iter().enumerate() {
        datagram.rtp().unwrap_or_else(|error| panic!("packet {number}: {error}"));
    }
}

#[test]
fn a_killed_stream_leaves_nothing() {
    kill(&["198.18.0.2:5004"], "vb", "pcr");
}

#[test]
fn a_killed_unpaced_stream_leaves_nothing() {
    kill(&["198.18.0.2:5004"], "vb", "none");
}

#[test]
fn a_killed_stream_leaves_nothing_on_any_interface() {
    kill(&["198.18.0.2:5004", "198.18.2.2:5004", "[2001:2::2]:5004"], "vb", "8000000");
}

#[test]
fn a_killed_stream_leaves_nothing_on_the_loopback() {
    kill(&["127.0.0.1:5004"], "lo", "8000000");
}

/// A stream that nobody stops ends the same way.
#[test]
fn a_stream_that_ends_leaves_nothing() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    net.stream(&[&arguments[..], &["--pace", "none"]].concat()).well();
    assert_eq!(State::of(&net.a), before);
}

/// Guardians hold nothing of what their parent had open: no pipe that a reader
/// waits at, no socket, no program.
#[test]
fn a_guardian_holds_two_descriptors() {
    let net = Net::direct();
    let path = sample_path();
    let running = net.start_stream(&[
        path.to_str().expect("a name"),
        "--to",
        "198.18.0.2:5004",
        "--loop",
        "--engine",
        "kernel",
    ]);
    let guardian = wait_for("guardian", || crate::sweep::guardian_of(running.pid()));
    let open = || fs::read_dir(format!("/proc/{}/fd", guardian.as_raw_nonzero())).ok().map(Iterator::count);
    wait_for("guardian with two descriptors", || (open() == Some(2)).then_some(()));
}
