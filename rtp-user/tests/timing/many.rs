//! Hundreds of streams from one process.

use crate::{
    support::{Capture, Net, expect::number, slowness, wait_for},
    synth::programme,
};
use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr};

const STREAMS: u16 = 300;
const PAYLOAD: usize = 1316;
/// Bits per second of each: 19 packets.
const RATE: u32 = 200_000;

/// Nothing is lost, everything is in order and from its own place in the file, and the last streams of the list wait no
/// longer for their turn than the first.
#[test]
fn hundreds_of_streams_are_all_in_time() {
    let net = Net::resolving();
    let octets = programme(4.0, 9, |_| f64::from(RATE)).0;
    let film = net.krtp.file("film.ts", &octets);
    let start = |stream: u16| 6 * u32::from(stream);
    let list = (0..STREAMS).fold(String::new(), |mut list, stream| {
        let (port, start) = (6000 + stream, start(stream));
        writeln!(list, "'{}' --to 198.18.0.2:{port} --start {start}ms --seq 0", film.display())
            .expect("a string has room");
        list
    });
    let list = net.krtp.file("list", list.as_bytes());
    let ports: Vec<u16> = (6000..6000 + STREAMS).collect();
    let capture = Capture::start(&net.b, "vb", &ports);
    // A busy host makes them late, but loses nothing.
    let options = ["--list", list.to_str().expect("a name"), "--duration", "2", "--max-late", "60"];
    let report = net.stream(&[&options[..], &["--engine", "kernel"]].concat()).well().json();
    assert_eq!(number::<u16>(&report, "streams"), STREAMS);
    let sent: usize = number(&report, "packets");
    let mut streams: BTreeMap<SocketAddr, Vec<_>> = BTreeMap::new();
    let all = || Some(capture.all()).filter(|all| all.len() >= sent);
    for datagram in wait_for("end of what was sent", all) {
        streams.entry(datagram.destination).or_default().push(datagram);
    }
    let mut late = Vec::new();
    for stream in 0..STREAMS {
        let destination = SocketAddr::from(([198, 18, 0, 2], 6000 + stream));
        let datagrams = streams.remove(&destination).unwrap_or_default();
        let packets: usize = number(&report["flows"][usize::from(stream)], "flow_packets");
        assert!((37..=40).contains(&packets), "stream {stream}: {packets} packets of two seconds");
        assert_eq!(datagrams.len(), packets, "stream {stream}: packets that arrived");
        let place = start(stream) as usize * RATE as usize / 8000 / PAYLOAD;
        let first = datagrams[0].rtp().expect("an RTP packet").timestamp;
        for (number, datagram) in datagrams.iter().enumerate() {
            let rtp =
                datagram.rtp().unwrap_or_else(|error| panic!("stream {stream}, packet {number}: {error}"));
            assert_eq!(usize::from(rtp.sequence), number, "stream {stream}");
            let mut near = octets.chunks(PAYLOAD).skip((place + number).saturating_sub(1)).take(3);
            assert!(near.any(|near| near == rtp.payload), "stream {stream}, packet {number}: payload");
            let due = f64::from(rtp.timestamp.wrapping_sub(first)) / 90_000.0;
            late.push((datagram.at - datagrams[0].at).as_secs_f64() - due);
        }
    }
    // Half of the packets within a tenth of a second of each other: a sender that takes its streams one after the
    // other, or that falls behind, spreads them over two seconds.
    late.sort_by(f64::total_cmp);
    let spread = late[late.len() * 3 / 4] - late[late.len() / 4];
    assert!(spread < 0.1 * f64::from(slowness()), "half of the packets lie {spread} s from each other");
}
