//! Many streams from one process.

use crate::{
    support::{Capture, Net, expect::number},
    synth::programme,
};
use std::{fmt::Write as _, net::SocketAddr};

const STREAMS: u16 = 40;
const PAYLOAD: usize = 1316;

/// Each stream has its own place in the file, its own destination and numbers.
#[test]
fn every_line_of_a_list_is_a_stream() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let octets = programme(3.0, 9, |_| 1e6).0;
        let film = net.krtp.file("film.ts", &octets);
        let list = (0..STREAMS).fold(String::new(), |mut list, stream| {
            let port = 6000 + stream;
            let start = 50 * stream;
            writeln!(list, "'{}' --to 198.18.0.2:{port} --start {start}ms --seq {stream}", film.display())
                .expect("a string has room");
            list
        });
        let list = net.krtp.file("list", list.as_bytes());
        let ports: Vec<u16> = (6000..6000 + STREAMS).collect();
        let capture = Capture::start(&net.b, "vb", &ports);
        let options = [
            "--list",
            list.to_str().expect("a name"),
            "--duration",
            "1",
            "--engine",
            engine,
            "--max-late",
            "60",
        ];
        let report = net.stream(&options).well().json();
        assert_eq!(number::<u16>(&report, "streams"), STREAMS, "{engine}");
        for stream in 0..STREAMS {
            let flow = &report["flows"][usize::from(stream)];
            let destination = SocketAddr::from(([198, 18, 0, 2], 6000 + stream));
            assert_eq!(flow["destination"], destination.to_string(), "{engine}: in the list's order");
            let packets: usize = number(flow, "flow_packets");
            let name = format!("{engine} engine, stream {stream}");
            assert!((94..=97).contains(&packets), "{name}: {packets} packets of a second");
            let due = usize::from(stream) * 95 / 20;
            for (number, datagram) in capture.datagrams(destination, packets).iter().enumerate() {
                let rtp = datagram.rtp().unwrap_or_else(|error| panic!("{name}: packet {number}: {error}"));
                assert_eq!(rtp.sequence, stream + number as u16, "{name}");
                let near = octets.chunks(PAYLOAD).skip((due + number).saturating_sub(1)).take(3);
                assert!(near.into_iter().any(|near| near == rtp.payload), "{name}: packet {number}: payload");
            }
        }
    }
}

#[test]
fn one_bad_line_ends_all_before_a_packet() {
    let net = Net::direct();
    let file = net.krtp.file("film.ts", &programme(0.2, 9, |_| 1e6).0);
    let line = format!("{} --to 198.18.0.2:6000", file.display());
    let list = net.krtp.file("list", format!("{line}\n{line} --pt 200\n").as_bytes());
    let ended = net.stream(&["--list", list.to_str().expect("a name")]);
    let failure = ended.failure();
    assert!(failure.contains("list, line 2: ") && failure.contains("--pt"), "{failure}");
}

/// A stream whose file goes wrong ends; the others go on.
#[test]
fn one_stream_that_fails_does_not_end_the_others() {
    let net = Net::direct();
    let good = net.krtp.file("good.ts", &programme(2.0, 9, |_| 1e6).0);
    let bad = net.krtp.file("bad.ts", &programme(2.0, 9, |_| 1e6).0);
    let list = format!("{} --to 198.18.0.2:6000\n{} --to 198.18.0.2:6001\n", good.display(), bad.display());
    let list = net.krtp.file("list", list.as_bytes());
    let capture = Capture::start(&net.b, "vb", &[6000, 6001]);
    let running = net.start_stream(&["--list", list.to_str().expect("a name")]);
    let begun = SocketAddr::from(([198, 18, 0, 2], 6001));
    crate::support::wait_for("packet of the bad stream", || capture.so_far(begun).first().map(drop));
    std::fs::OpenOptions::new().write(true).open(&bad).and_then(|bad| bad.set_len(188)).expect("our file");
    let ended = running.wait();
    assert_eq!(
        ended.failure(),
        format!("{} changed while it was being sent: start again when it is complete", bad.display())
    );
    let report = ended.json();
    let all = programme(2.0, 9, |_| 1e6).0.len().div_ceil(PAYLOAD);
    assert_eq!(number::<usize>(&report["flows"][0], "flow_packets"), all, "{report}");
    assert!(number::<usize>(&report["flows"][1], "flow_packets") < all, "{report}");
}
