//! Prepared files: on the wire they are, octet for octet, what the other
//! engines send with the same numbers.

use crate::support::{
    Capture, Net, Stream,
    audio::Pcm,
    media::{noise, sample, sample_path},
    packet::{Datagram, UdpChecksum},
};
use std::{fs, path::Path};

const NUMBERS: [&str; 6] = ["--ssrc", "0x0123abcd", "--seq", "65500", "--timestamp", "0xfffff000"];

/// Prepares the file at `path`; where the copy is.
#[track_caller]
fn prepare(net: &Net, path: &str, options: &[&str]) -> String {
    let copy = net.krtp.directory().join("copy.krtp").to_str().expect("letters").to_owned();
    let words = [&["prepare", path, "-o", &copy], &NUMBERS[..], options].concat();
    net.krtp.run(&net.a, &words).well();
    copy
}

/// What arrives of `krtp stream ARGUMENTS`: UDP payloads.
#[track_caller]
fn arrives(net: &Net, destination: &str, arguments: &[&str]) -> Vec<Vec<u8>> {
    let destination = destination.parse().expect("an address");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let report = net.stream(arguments).well().json();
    let packets = report["packets"].as_u64().expect("a number") as usize;
    let datagrams = capture.datagrams(destination, packets);
    let right = |datagram: &Datagram| datagram.checksum == UdpChecksum::Right;
    assert!(datagrams.iter().all(right), "{arguments:?}: a wrong checksum");
    datagrams.into_iter().map(|datagram| datagram.octets).collect()
}

/// Sees that a prepared file sends what the user engine sends.
#[track_caller]
fn assert_same(net: &Net, name: &str, path: &Path, to: &str, shape: &[&str], cut: &[&str]) {
    let before = fs::read(path).expect("ours");
    let file = path.to_str().expect("letters");
    let copy = prepare(net, file, shape);
    let common = [&["--to", to, "--pace", "none"], cut].concat();
    let plain = [&[file, "--engine", "user"], &common[..], &NUMBERS, shape].concat();
    let prepared = [&[copy.as_str()], &common[..]].concat();
    let (plain, prepared) = (arrives(net, to, &plain), arrives(net, to, &prepared));
    assert_eq!(plain.len(), prepared.len(), "{name}: packets");
    for (number, (plain, prepared)) in plain.iter().zip(&prepared).enumerate() {
        assert!(
            plain == prepared,
            "{name}: packet {number} differs: {:?} {:?}",
            &plain[..12],
            &prepared[..12]
        );
    }
    assert!(fs::read(path).expect("ours") == before, "{name}: the file changed");
}

#[test]
fn a_prepared_transport_stream_is_the_same_packets() {
    let net = Net::resolving();
    assert_same(&net, "IPv4", &sample_path(), "198.18.0.2:5004", &[], &[]);
    assert_same(&net, "IPv6", &sample_path(), "[2001:2::2]:5004", &[], &[]);
    let part = net.krtp.file("part.ts", &sample()[..188 * 1003]);
    assert_same(&net, "a short last packet", &part, "198.18.0.2:5004", &["--payload", "940"], &[]);
    assert_same(&net, "part of it", &part, "198.18.0.2:5004", &[], &["--duration", "200ms"]);
}

#[test]
fn prepared_audio_and_anything_else_are_the_same_packets() {
    let net = Net::resolving();
    let wav = net.krtp.file("a.wav", &Pcm::noise(2, 2, 48_000, 10_001).wav());
    assert_same(&net, "little-endian audio", &wav, "198.18.0.2:5004", &[], &[]);
    let odd = net.krtp.file("odd", &noise(300_001));
    let shape = ["--pt", "96", "--clock-rate", "90000", "--payload", "1315", "--pace", "4000000"];
    let (file, copy) =
        (odd.to_str().expect("letters"), prepare(&net, odd.to_str().expect("letters"), &shape));
    let to = ["--to", "198.18.0.2:5004"];
    // A machine that is held up for longer than --max-late would shift the time line, and mark the packet.
    let patient = ["--engine", "user", "--max-late", "60"];
    let plain = arrives(&net, to[1], &[&[file], &patient[..], &to[..], &NUMBERS, &shape].concat());
    // At its own rate: the copy knows it.
    let prepared = arrives(&net, to[1], &[&[copy.as_str()], &to[..]].concat());
    assert!(plain == prepared, "noise at a given rate");
}

#[test]
fn it_begins_where_it_is_told_with_the_numbers_of_that_packet() {
    let net = Net::resolving();
    let copy = prepare(&net, sample_path().to_str().expect("letters"), &[]);
    let whole = arrives(&net, "198.18.0.2:5004", &[&copy, "--to", "198.18.0.2:5004", "--pace", "none"]);
    let arguments = [&copy, "--to", "198.18.0.2:5004", "--pace", "none", "--start", "1"];
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let report = net.stream(&arguments).well().json();
    let packets = report["packets"].as_u64().expect("a number") as usize;
    let tail = capture.datagrams("198.18.0.2:5004".parse().expect("an address"), packets);
    assert!(packets > 0 && packets < whole.len(), "{packets} of {}", whole.len());
    assert!(
        tail.iter().map(|datagram| &datagram.octets).eq(&whole[whole.len() - packets..]),
        "other packets"
    );
    let (first, last) = (tail[0].rtp().expect("RTP"), tail[packets - 1].rtp().expect("RTP"));
    assert_eq!(report["engine"], "prepared");
    for (field, is) in [
        ("first_sequence", u32::from(first.sequence)),
        ("last_sequence", last.sequence.into()),
        ("first_timestamp", first.timestamp),
        ("last_timestamp", last.timestamp),
        ("ssrc", 0x0123_abcd),
    ] {
        assert_eq!(report[field], is, "{field}: {report}");
    }
}

#[test]
fn it_keeps_to_the_file_s_time() {
    let net = Net::resolving();
    let file = sample();
    let copy = prepare(&net, sample_path().to_str().expect("letters"), &[]);
    let mut stream = Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004");
    stream.marks = false;
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let report = stream.send("paced", &net, copy.as_ref(), &["--duration", "1:00"], &capture);
    assert_eq!(
        report["pacing"],
        "bursts of up to 7 packets, as nobody writes departure times of prepared packets"
    );
    let seconds = report["seconds"].as_f64().expect("a number");
    let lasts = stream.rate.expect("it has PCRs").seconds(file.len() as u64);
    assert!(seconds > lasts * 0.9, "{seconds} s for a file of {lasts} s");
}

#[test]
fn all_viewers_have_the_same_headers_and_no_checksum_if_they_want_none() {
    let net = Net::resolving();
    let copy = prepare(&net, sample_path().to_str().expect("letters"), &[]);
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    let (one, two) = ("198.18.0.2:5004", "198.18.0.2:5006");
    let arguments =
        [&copy, "--to", one, "--to", two, "--pace", "none", "--duration", "1", "--checksum", "zero"];
    let report = net.stream(&arguments).well().json();
    let packets = report["packets"].as_u64().expect("a number") as usize / 2;
    let [one, two] = [one, two].map(|to| capture.datagrams(to.parse().expect("an address"), packets));
    assert!(one.iter().zip(&two).all(|(one, two)| one.octets == two.octets), "they differ");
    assert!(one.iter().all(|datagram| datagram.checksum == UdpChecksum::None), "a checksum");
}

#[test]
fn a_cache_makes_it_once_and_again_when_the_file_changed() {
    let net = Net::resolving();
    let cache = net.krtp.directory().join("copies");
    let path = net.krtp.file("a.ts", &sample());
    let file = path.to_str().expect("letters");
    let cache_name = cache.to_str().expect("letters");
    let to = "198.18.0.2:5004";
    let play = || arrives(&net, to, &[file, "--to", to, "--pace", "none", "--cache", cache_name]);
    let copies = || {
        let entries = fs::read_dir(&cache).expect("ours").map(|entry| entry.expect("ours"));
        let names = entries.map(|entry| entry.file_name().into_string().expect("letters"));
        names.filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
    };
    let (first, second) = (play(), play());
    assert!(first == second, "the second play has other headers");
    assert_eq!(copies().len(), 1);
    // Other content in the same place.
    let mut other = sample();
    other.truncate(188 * 700);
    fs::write(&path, &other).expect("ours");
    let third = play();
    assert_eq!(third.len(), 100);
    assert_eq!(copies().len(), 1, "the old copy stays");
    let sent: Vec<u8> = third.iter().flat_map(|packet| &packet[12..]).copied().collect();
    assert!(sent == other, "not the new content");
}
