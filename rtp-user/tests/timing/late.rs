//! A sender that is kept from sending for a while.

use crate::{
    support::{Capture, Ended, Net, expect::number, wait_for},
    synth::programme,
};
use rustix::process::Signal;
use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

const PAYLOAD: usize = 1316;
/// How long the sender is stopped: the fault itself, not a wait for anything.
const STOPPED: Duration = Duration::from_millis(700);

/// Plays two seconds, in the midst of which the process is stopped.
fn interrupted(net: &Net, engine: &str, on_late: &str) -> (Ended, Capture, usize) {
    let octets = programme(2.0, 9, |_| 2e6).0;
    let film = net.krtp.file("film.ts", &octets);
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let film = film.to_str().expect("a name");
    let options = ["--to", "198.18.0.2:5004", "--engine", engine, "--on-late", on_late, "--timestamp", "0"];
    let mut running = net.start_stream(&[&[film], &options[..]].concat());
    let to = SocketAddr::from(([198, 18, 0, 2], 5004));
    // On a slow machine it may be late, and end, without our help.
    wait_for("packet", || (capture.so_far(to).len() > 20 || running.has_ended()).then_some(()));
    running.signal(Signal::STOP);
    let stopped = Instant::now();
    while stopped.elapsed() < STOPPED {
        thread::sleep(STOPPED.saturating_sub(stopped.elapsed()));
    }
    running.signal(Signal::CONT);
    (running.wait(), capture, octets.len().div_ceil(PAYLOAD))
}

#[test]
fn shift_goes_on_where_it_was() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let (ended, capture, all) = interrupted(&net, engine, "shift");
        let report = ended.well().json();
        let lateness = &report["lateness"];
        assert_eq!(number::<usize>(&report, "packets"), all, "{engine}: {report}");
        assert!(number::<u64>(lateness, "shifted_ns") > 300_000_000, "{engine}: {report}");
        assert!(number::<u64>(lateness, "underruns") > 0, "{engine}: {report}");
        let datagrams = capture.datagrams("198.18.0.2:5004".parse().expect("an address"), all);
        let packets: Vec<_> = datagrams.iter().map(|datagram| datagram.rtp().expect("RTP")).collect();
        let seams: Vec<usize> = (1..all).filter(|&number| packets[number].marker).collect();
        assert!(!seams.is_empty(), "{engine}: no marker");
        // A busy host may have shifted it before, by less.
        let jumps = seams.iter().map(|&seam| packets[seam].timestamp - packets[seam - 1].timestamp);
        let jump = jumps.max().expect("a seam");
        assert!(jump > 300 * 90, "{engine}: the timestamps say nothing of the pause: {jump} ticks");
    }
}

#[test]
fn drop_leaves_out_what_is_late() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let (ended, capture, all) = interrupted(&net, engine, "drop");
        let report = ended.well().json();
        let (sent, dropped): (usize, usize) =
            (number(&report, "packets"), number(&report["lateness"], "dropped"));
        assert!(dropped > 50 && sent + dropped == all, "{engine}: {sent} sent, {dropped} dropped of {all}");
        let datagrams = capture.datagrams("198.18.0.2:5004".parse().expect("an address"), sent);
        let packets: Vec<_> = datagrams.iter().map(|datagram| datagram.rtp().expect("RTP")).collect();
        for pair in packets.windows(2) {
            // What was left out never reached the interface: no gap on the wire.
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{engine}");
        }
        assert!(packets.iter().any(|packet| packet.marker), "{engine}: no marker");
    }
}

#[test]
fn fail_ends_it_and_says_so() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let (ended, _capture, _) = interrupted(&net, engine, "fail");
        let failure = ended.failure();
        assert!(failure.contains("ms late, and --on-late fail ends the stream"), "{engine}: {failure}");
    }
}
