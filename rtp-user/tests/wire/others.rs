//! Others on the same interface: they see every packet as it leaves, and krtp
//! leaves them alone.

use crate::support::{
    Capture, Net, State, Stream, common_path,
    expect::number,
    media::{Rate, sample, sample_path},
    tcx::Counter,
    wait_for,
};
use rustix::process::Signal;

/// A filter of the clsact qdisc that mirrors all IPv4 packets to a second cable:
/// what arrives there is what the filter saw.
#[test]
fn a_clsact_filter_sees_every_packet_with_its_header() {
    let net = Net::direct();
    net.add_second();
    let mirror = ["filter", "add", "dev", "va", "egress", "protocol", "ip", "u32", "match", "u32", "0", "0"];
    net.a.run("tc", &["qdisc", "add", "dev", "va", "clsact"]);
    net.a.run("tc", &[&mirror[..], &["action", "mirred", "egress", "mirror", "dev", "va2"]].concat());
    let before = net.a.run("tc", &["filter", "show", "dev", "va", "egress"]);

    let file = sample();
    let stream = Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004");
    let captures = [Capture::start(&net.b, "vb", &[5004]), Capture::start(&net.b, "vb2", &[])];
    let options = ["--pace", "none", "--engine", "kernel"];
    let report = stream.start(&net, &sample_path(), &options).wait().well().json();
    for (capture, name) in captures.iter().zip(["the receiver", "the mirror"]) {
        stream.arrives(name, capture, &report, 0);
    }
    assert_eq!(net.a.run("tc", &["filter", "show", "dev", "va", "egress"]), before);
    assert!(net.a.run("tc", &["qdisc", "show", "dev", "va"]).contains("clsact"), "it was there before krtp");
}

/// Programs that were there before, and one that comes while krtp streams.
#[test]
fn a_program_sees_every_packet_with_its_header() {
    let net = Net::direct();
    let first = Counter::attach(&net.a, "va");
    let path = sample_path();
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--pace", "8000000", "--loop"]].concat());
    wait_for("a packet", || capture.so_far(destination).pop());
    let late = Counter::attach(&net.a, "va");
    wait_for("a packet at the program that came later", || (late.counts().rtp > 0).then_some(()));
    running.signal(Signal::INT);
    let report = running.wait().well().json();
    let packets = number(&report, "packets");
    let (first, late) = (first.counts(), late.counts());
    assert_eq!((first.rtp, first.marked), (packets, 0), "the program that was there before: {first:?}");
    assert!(late.rtp < packets, "the program that came later: {late:?}");
    assert_eq!(late.marked, 0, "the program that came later: {late:?}");
}

/// Two krtp on one interface: each has its program and its segmenter there.
#[test]
fn two_streams_of_two_processes() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let file = sample();
    let streams = [
        Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004"),
        Stream { ssrc: Some(77), ..Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5006") },
    ];
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    let options = ["--pace", "8000000", "--engine", "kernel"];
    let running = streams.each_ref().map(|stream| stream.start(&net, &sample_path(), &options));
    for (mut stream, running) in streams.into_iter().zip(running) {
        stream.rate = Some(Rate::of_bits(8_000_000));
        let report = running.wait().well().json();
        let name = format!("to {}", stream.destination);
        stream.arrives(&name, &capture, &report, 0);
        assert_eq!(report["path"], common_path(), "{name}");
    }
    assert_eq!(State::of(&net.a), before, "what is left");
}

/// A qdisc slower than the sender: what waits in it holds the sender up, and
/// nothing is lost.
#[test]
fn a_slow_qdisc_holds_the_sender_up() {
    let net = Net::direct();
    net.slow_down();
    let before = net.a.run("tc", &["qdisc", "show", "dev", "va"]);
    let file = sample();
    for destination in ["198.18.0.2:5004", "[2001:2::2]:5004"] {
        let source = if destination.starts_with('[') { "[2001:2::1]:0" } else { "198.18.0.1:0" };
        let stream = Stream::of_ts(&file, source, destination);
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let options = ["--pace", "none", "--engine", "kernel"];
        let report = stream.send(destination, &net, &sample_path(), &options, &capture);
        let seconds = report["seconds"].as_f64().expect("a number");
        // 1.5 MB last 0.3 s at 40 Mb/s; what still waits when the sender is done is a buffer's worth.
        assert!(seconds > 0.15, "{destination}: the sender did not wait: {report}");
    }
    assert_eq!(net.a.run("tc", &["qdisc", "show", "dev", "va"]), before);
}
