//! `krtp attach` and `krtp detach`, and streams in between.

use crate::support::{
    Capture, Ended, Net, Running, State, Stream,
    expect::number,
    hook,
    media::{Rate, sample, sample_path},
    wait_for,
};
use aya::maps::{Map, MapData};
use krtp::kernel::maps::Flows;
use rustix::process::Signal;
use std::{fs, path::PathBuf};

/// An interface that was attached and is detached on drop, should a test panic.
struct Attached<'a>(&'a Net);

impl<'a> Attached<'a> {
    /// Attaches `va`.
    #[track_caller]
    fn new(net: &'a Net, options: &[&str]) -> Self {
        krtp(net, &[&["attach", "va"], options].concat()).well();
        Self(net)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        krtp(self.0, &["detach", "va"]);
    }
}

fn krtp(net: &Net, arguments: &[&str]) -> Ended {
    net.krtp.run(&net.a, arguments)
}

/// Where `va`'s pins are.
fn pins(net: &Net) -> PathBuf {
    let cookie = net.a.inside(krtp::net::socket::namespace_cookie).expect("every namespace has one");
    PathBuf::from(format!("/sys/fs/bpf/krtp/va@{cookie}"))
}

/// A stream without end.
fn endless(net: &Net, pace: &str) -> Running {
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    net.start_stream(&[&arguments[..], &["--loop", "--pace", pace]].concat())
}

#[test]
fn attach_and_detach_once_each() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let refused = krtp(&net, &["detach", "va"]);
    assert!(refused.failure().contains("va is not attached"), "{refused:?}");

    let attached = Attached::new(&net, &[]);
    let with = State::of(&net.a);
    assert_ne!(with, before);
    assert!(pins(&net).join("FLOWS").exists());
    let again = krtp(&net, &["attach", "va"]);
    assert!(again.failure().contains("va is attached already: krtp detach va"), "{again:?}");
    assert_eq!(State::of(&net.a), with, "the second attach changed nothing");

    krtp(&net, &["detach", "va"]).well();
    assert_eq!(State::of(&net.a), before);
    assert!(!pins(&net).exists());
    let again = krtp(&net, &["detach", "va"]);
    assert!(again.failure().contains("va is not attached"), "{again:?}");
    drop(attached);
}

#[test]
fn interfaces_that_are_not_there() {
    let net = Net::direct();
    for arguments in [["attach", "nowhere"], ["detach", "nowhere"]] {
        let refused = krtp(&net, &arguments);
        assert!(refused.failure().contains("nowhere"), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn streams_through_an_attached_interface() {
    let net = Net::direct();
    let attached = Attached::new(&net, &["--flows", "1"]);
    let with = State::of(&net.a);
    let file = sample();
    // The one slot serves one after the other, also after one that was killed.
    for play in ["first", "second", "after a killed one"] {
        if play == "after a killed one" {
            let capture = Capture::start(&net.b, "vb", &[5004]);
            let running = endless(&net, "pcr");
            wait_for("a packet", || (capture.len() > 0).then_some(()));
            running.signal(Signal::KILL);
            running.wait();
        }
        let stream = Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004");
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let options = ["--pace", "none", "--engine", "kernel"];
        let report = stream.send(play, &net, &sample_path(), &options, &capture);
        let said = report["path"].as_str().unwrap_or_default();
        assert!(said.contains("attached before") && said.contains("segmenter"), "{play}: {said}");
        assert_eq!(State::of(&net.a), with, "{play}: the attachment stays as it is");
    }
    drop(attached);
}

/// More flows than the attached maps have room for.
#[test]
fn no_slot_left() {
    let net = Net::direct();
    let attached = Attached::new(&net, &["--flows", "1"]);
    let with = State::of(&net.a);
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--engine", "kernel", "--pace", "none"];
    let to = ["--to", "198.18.0.2:5004", "--to", "198.18.0.2:5006"];
    let refused = net.stream(&[&arguments[..], &to].concat());
    let line = refused.failure();
    assert!(line.contains("198.18.0.2:5006") && line.contains("--flows"), "{line}");
    assert_eq!(State::of(&net.a), with);
    drop(attached);
}

/// The stream ends by itself, and nothing leaves without a header.
fn detached_under_a_stream(pace: &str) {
    let net = Net::direct();
    net.slow_down();
    let before = State::of(&net.a);
    let attached = Attached::new(&net, &[]);
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let running = endless(&net, pace);
    wait_for("a packet", || capture.so_far(destination).pop());
    krtp(&net, &["detach", "va"]).well();
    let ended = running.wait();
    let line = ended.failure();
    assert!(line.contains("the interface to 198.18.0.2:5004 was detached"), "--pace {pace}: {line}");
    let report = ended.json();
    assert_eq!(report["ended"], "failed", "--pace {pace}: {report}");
    let packets = number(&report, "packets");
    let datagrams = capture.datagrams(destination, packets);
    let headed = datagrams.iter().take_while(|datagram| datagram.rtp().is_ok()).count();
    assert_eq!(headed, packets, "--pace {pace}: packets with a header");
    assert_eq!(datagrams.len(), headed, "--pace {pace}: packets that left without a header");
    assert_eq!(State::of(&net.a), before, "--pace {pace}");
    drop(attached);
}

#[test]
fn detached_under_a_paced_stream() {
    detached_under_a_stream("pcr");
}

#[test]
fn detached_under_an_unpaced_stream() {
    detached_under_a_stream("none");
}

/// Takes the program of an attached `va` away, as `krtp detach` would not.
fn take_away(net: &Net) {
    if hook() == "tcx" {
        fs::remove_file(pins(net).join("link")).expect("nobody else holds the link");
    } else {
        net.a.run("tc", &["filter", "delete", "dev", "va", "egress"]);
    }
}

/// What leaves without a header is noticed after some batches, and the stream says so at its end.
fn bypassed_under_a_stream(pace: &str) {
    /// As many as prove it, of as many packets as a batch can have.
    const MOST: usize = 5 * 64;
    let net = Net::direct();
    net.slow_down();
    let before = State::of(&net.a);
    let attached = Attached::new(&net, &[]);
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let running = endless(&net, pace);
    wait_for("a packet", || capture.so_far(destination).pop());
    take_away(&net);
    let ended = running.wait();
    let line = ended.failure();
    assert!(line.contains("packets to 198.18.0.2:5004 did not pass the krtp program"), "{pace}: {line}");
    let packets = number(&ended.json(), "packets");
    let datagrams = capture.datagrams(destination, packets);
    let headed = datagrams.iter().take_while(|datagram| datagram.rtp().is_ok()).count();
    assert_eq!(headed, packets, "--pace {pace}: packets with a header");
    assert!(datagrams.len() <= headed + MOST, "--pace {pace}: {} of {headed}", datagrams.len());
    drop(attached);
    assert_eq!(State::of(&net.a), before, "--pace {pace}");
}

#[test]
fn bypassed_under_a_paced_stream() {
    bypassed_under_a_stream("pcr");
}

#[test]
fn bypassed_under_an_unpaced_stream() {
    bypassed_under_a_stream("none");
}

/// A stream that ends before there is a proof.
#[test]
fn bypassed_under_a_short_stream() {
    let net = Net::direct();
    let attached = Attached::new(&net, &[]);
    take_away(&net);
    for packets in [1, 100] {
        let path = net.krtp.file("short.ts", &sample()[..packets * 1316]);
        let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
        let ended = net.stream(&[&arguments[..], &["--pace", "none"]].concat());
        let words =
            format!("{packets} of {packets} packets to 198.18.0.2:5004 did not pass the krtp program");
        assert!(ended.failure().contains(&words), "{words}? {ended:?}");
    }
    drop(attached);
}

/// A stream that brought its own program goes on under an attached one, which
/// takes over what both need (before 6.6, the clsact qdisc) and away at last.
#[test]
fn attached_under_a_stream() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let file = sample();
    let stream = Stream {
        rate: Some(Rate::of_bits(2_000_000)),
        ..Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004")
    };
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let running = stream.start(&net, &sample_path(), &["--pace", "2000000", "--engine", "kernel"]);
    wait_for("a packet", || capture.so_far(stream.destination).pop());
    // On a slow machine it would end before `krtp attach` is done.
    running.signal(Signal::STOP);
    let attached = Attached::new(&net, &[]);
    running.signal(Signal::CONT);
    assert!(capture.len() < file.len() / 1316, "it was attached too late, when the stream had ended");
    let report = running.wait().well().json();
    stream.arrives("under an attached program", &capture, &report, 0);
    drop(attached);
    assert_eq!(State::of(&net.a), before);
}

/// The pins of an interface that is gone are removed by name, and do not stand
/// in the way of another interface of that name.
#[test]
fn an_attached_interface_goes_away() {
    let net = Net::direct();
    let attached = Attached::new(&net, &[]);
    net.a.ip(&["link", "delete", "va"]);
    krtp(&net, &["detach", "va"]).well();
    assert!(!pins(&net).exists());

    for _ in 0..2 {
        net.a.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", net.b.name()]);
        krtp(&net, &["attach", "va"]).well();
        net.a.ip(&["link", "delete", "va"]);
    }
    drop(attached);
    assert!(!pins(&net).exists());
}

/// Gives `interface` another name, as one that is down: an older kernel wants that.
fn rename(net: &Net, interface: &str, name: &str) {
    net.a.ip(&["link", "set", interface, "down"]);
    net.a.ip(&["link", "set", interface, "name", name]);
    net.a.ip(&["link", "set", name, "up"]);
    net.a.wait_until_up(name);
}

#[test]
fn an_attached_interface_is_renamed() {
    let net = Net::direct();
    net.add_second();
    let before = State::of(&net.a);
    for name in ["lan0", "va"] {
        let attached = Attached::new(&net, &[]);
        rename(&net, "va", "lan0");
        net.a.wait_until_up("krtp0");
        let with = State::of(&net.a);
        let again = krtp(&net, &["attach", "lan0"]);
        assert!(again.failure().contains("lan0 is attached already: krtp detach lan0"), "{again:?}");
        let path = sample_path();
        let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "none"];
        let report = net.stream(&[&arguments[..], &["--engine", "kernel"]].concat()).well().json();
        let said = report["path"].as_str().unwrap_or_default();
        assert!(said.contains("attached before") && said.contains("segmenter"), "{said}");
        let doctor = krtp(&net, &["doctor", "lan0"]);
        assert!(doctor.stdout.contains("krtp attach"), "{doctor:?}");
        assert_eq!(State::of(&net.a), with, "the attachment stays as it is");
        krtp(&net, &["detach", name]).well();
        assert!(!pins(&net).exists(), "detached as {name}");
        rename(&net, "lan0", "va");
        assert_eq!(State::of(&net.a), before, "detached as {name}");
        drop(attached);
    }
}

/// The name goes to another interface: each is detached by the name that it has.
#[test]
fn an_attached_interface_gives_its_name_away() {
    let net = Net::direct();
    net.add_second();
    let before = State::of(&net.a);
    let attached = Attached::new(&net, &[]);
    rename(&net, "va", "lan0");
    rename(&net, "va2", "va");
    let refused = krtp(&net, &["attach", "va"]);
    let line = refused.failure();
    assert!(line.contains("va is what lan0 was called") && line.contains("krtp detach lan0"), "{line}");
    krtp(&net, &["detach", "lan0"]).well();
    krtp(&net, &["attach", "lan0"]).well();
    krtp(&net, &["attach", "va"]).well();
    krtp(&net, &["detach", "lan0"]).well();
    assert!(pins(&net).exists(), "va stays attached");
    krtp(&net, &["detach", "va"]).well();
    rename(&net, "va", "va2");
    rename(&net, "lan0", "va");
    assert_eq!(State::of(&net.a), before);
    drop(attached);
}

/// One that begins while `detach` waits for others is asked to end as they were.
#[test]
fn detached_under_a_stream_that_has_just_begun() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let attached = Attached::new(&net, &[]);
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let first = endless(&net, "pcr");
    wait_for("a packet", || capture.so_far(destination).pop());
    // Stopped, so that `detach` waits for it.
    first.signal(Signal::STOP);
    let map = MapData::from_pin(pins(&net).join("FLOWS")).expect("attached");
    let flows = Flows::open(Map::Array(map)).expect("a map of this version");
    let detach = net.krtp.start(&net.a, &["detach", "va"]);
    wait_for("request to leave", || flows.is_to_leave(0).then_some(()));
    detach.signal(Signal::STOP);

    // A packet a second, so that it is between two when it is stopped.
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5006", "--engine", "kernel"];
    let second = net.start_stream(&[&arguments[..], &["--loop", "--pace", "10528"]].concat());
    let destination = "198.18.0.2:5006".parse().expect("an address");
    wait_for("a packet", || capture.so_far(destination).pop());
    second.signal(Signal::STOP);
    detach.signal(Signal::CONT);
    detach.wait().well();
    for stopped in [first, second] {
        stopped.signal(Signal::CONT);
        let ended = stopped.wait();
        let line = ended.failure();
        assert!(line.contains("was detached (krtp detach) under the stream"), "{line}");
    }
    assert_eq!(State::of(&net.a), before);
    drop(attached);
}
