//! Packets leave when the media says so.

use crate::support::{
    Capture, Net,
    expect::number,
    media::{Rate, sample, sample_path},
    slowness,
};
use std::time::Duration;

/// Plays the sample `plays` times and compares what its packets took with what
/// they should.
fn play(engine: &str, pace: &str, plays: usize, rate: Rate) {
    let net = Net::resolving();
    let file = sample();
    let path = sample_path();
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let loops = plays.to_string();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", engine];
    // A busy host makes it late, but not another timeline.
    let arguments = [&arguments[..], &["--max-late", "1:00"]].concat();
    let report = net.stream(&[&arguments[..], &["--pace", pace, "--loop", &loops]].concat()).well().json();
    let name = format!("{engine} engine, --pace {pace}");
    let per_play = file.len().div_ceil(1316);
    let datagrams = capture.datagrams(destination, plays * per_play);
    let due = rate.seconds((plays * file.len()) as u64);

    let seconds = report["seconds"].as_f64().expect("a number");
    // A machine that cannot keep up at all shows no more than that something paces.
    let tolerance = f64::from(slowness());
    let about = 0.05 * tolerance;
    assert!((seconds / due - 1.0).abs() < about, "{name}: took {seconds} s, not {due} s");
    let first = datagrams[0].at;
    let seen = (datagrams[datagrams.len() - 1].at - first).as_secs_f64();
    assert!((seen / due - 1.0).abs() < about, "{name}: seen over {seen} s, not {due} s");
    // Spread evenly: behind the packet that was nearest to its time, most are near to theirs.
    let mut late: Vec<f64> = (0..)
        .zip(&datagrams)
        .map(|(number, datagram)| {
            let octets = number / per_play * file.len() + number % per_play * 1316;
            (datagram.at - first).as_secs_f64() - rate.seconds(octets as u64)
        })
        .collect();
    late.sort_by(f64::total_cmp);
    let median = late[late.len() / 2] - late[0];
    assert!(median < 0.5 * tolerance, "{name}: half of the packets left {median} s or more from their time");

    let lateness = &report["lateness"];
    let [packets, calls] = ["packets", "calls"].map(|field| match field {
        "calls" => number::<u64>(&report, "sendfile_calls") + number::<u64>(&report, "sendmsg_calls"),
        _ => number(&report, field),
    });
    let [due_packets, late, worst] =
        ["packets", "late", "worst_ns"].map(|field| number::<u64>(lateness, field));
    assert!(packets.div_ceil(calls) <= 7, "{name}: bursts of seven at most: {report}");
    assert!(due_packets == packets && late <= packets, "{name}: {report}");
    assert!(Duration::from_nanos(worst).as_secs_f64() < due, "{name}: {report}");
}

#[test]
fn by_the_clock_of_the_media() {
    play("kernel", "pcr", 1, Rate::of_pcrs(&sample()));
}

#[test]
fn by_the_clock_of_the_media_in_the_user_engine() {
    play("user", "pcr", 1, Rate::of_pcrs(&sample()));
}

#[test]
fn by_a_bit_rate() {
    play("kernel", "8000000", 3, Rate::of_bits(8_000_000));
}

#[test]
fn by_a_bit_rate_in_the_user_engine() {
    play("user", "8000000", 3, Rate::of_bits(8_000_000));
}
