//! A part of a file, by time.

use crate::{
    support::{Capture, Net, expect::number},
    synth::programme,
};

const PAYLOAD: usize = 1316;

#[test]
fn start_and_duration_cut_by_the_clock() {
    let net = Net::direct();
    // 3 Mb/s: 285 packets a second.
    let (octets, _) = programme(4.0, 77, |_| 3e6);
    let file = net.krtp.file("film.ts", &octets);
    let at = |milliseconds: usize| (milliseconds * 375).div_ceil(PAYLOAD);
    let all = octets.len().div_ceil(PAYLOAD);
    let cases: [(&str, &[&str], usize, usize, usize); 4] = [
        ("start", &["--start", "3.5"], 3500, all - at(3500), 1),
        ("duration", &["--duration", "500ms"], 0, at(500), 1),
        ("both, in a loop", &["--start", "0:01", "--duration", "0:00.4", "--loop", "2"], 1000, at(400), 2),
        ("longer than the file", &["--start", "3.8", "--duration", "1:00"], 3800, all - at(3800), 1),
    ];
    for (name, options, start, packets, plays) in cases {
        let destination = "198.18.0.2:5004".parse().expect("an address");
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let arguments = [
            file.to_str().expect("a name"),
            "--to",
            "198.18.0.2:5004",
            "--timestamp",
            "0",
            "--max-late",
            "60",
        ];
        let report = net.stream(&[&arguments[..], options].concat()).well().json();
        let sent: usize = number(&report, "packets");
        assert!(sent.abs_diff(packets * plays) <= plays, "{name}: {sent} of {packets} × {plays}");
        let datagrams = capture.datagrams(destination, sent);
        let first = datagrams[0].rtp().expect("an RTP packet");
        assert_eq!(first.timestamp, 0, "{name}");
        let begin = (at(start) * PAYLOAD).min(octets.len());
        let near = [begin.saturating_sub(PAYLOAD), begin, begin + PAYLOAD];
        let begin = near.into_iter().find(|&begin| octets[begin..].starts_with(&first.payload));
        let begin = begin.unwrap_or_else(|| panic!("{name}: it begins somewhere else"));
        let per_play = sent / plays;
        for (number, datagram) in datagrams.iter().enumerate() {
            let rtp = datagram.rtp().expect("an RTP packet");
            let octet = begin + number % per_play * PAYLOAD;
            let payload = &octets[octet..octets.len().min(octet + PAYLOAD)];
            assert!(rtp.payload == payload, "{name}: packet {number}");
            assert_eq!(rtp.marker, number > 0 && number % per_play == 0, "{name}: packet {number}: marker");
        }
        let seconds = report["seconds"].as_f64().expect("a number");
        let due = sent as f64 / 285.0;
        assert!((seconds - due).abs() < 0.3, "{name}: took {seconds} s, not {due} s");
    }
}

#[test]
fn a_start_behind_the_end_is_refused() {
    let net = Net::direct();
    let file = net.krtp.file("film.ts", &programme(1.0, 77, |_| 3e6).0);
    let file = file.to_str().expect("a name");
    let ended = net.stream(&[file, "--to", "198.18.0.2:5004", "--start", "10"]);
    assert!(ended.failure().contains("film.ts ends before --start"), "{ended:?}");
    let raw = net.krtp.file("raw", &[7; 5000]);
    let raw = [raw.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pt", "96"];
    let options = ["--clock-rate", "90000", "--payload", "1000", "--pace", "none", "--start", "1"];
    let ended = net.stream(&[&raw[..], &options].concat());
    assert!(ended.failure().contains("need a clock"), "{ended:?}");
}
