//! Several files as one flow.

use crate::{
    support::{Capture, Net, expect::number},
    synth::programme,
};

const PAYLOAD: usize = 1316;

#[test]
fn files_follow_one_another_as_one_flow() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let films = [(0.3, 5e6), (0.5, 2e6)].map(|(seconds, bits)| programme(seconds, 9, move |_| bits).0);
        let files = [net.krtp.file("a.ts", &films[0]), net.krtp.file("b.ts", &films[1])];
        let destination = "198.18.0.2:5004".parse().expect("an address");
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let names = files.each_ref().map(|file| file.to_str().expect("a name"));
        let arguments = [names[0], names[1], "--to", "198.18.0.2:5004", "--engine", engine];
        let options = ["--loop", "2", "--seq", "65530", "--timestamp", "0"];
        let report = net.stream(&[&arguments[..], &options].concat()).well().json();

        let payloads: Vec<&[u8]> = films.iter().flat_map(|film| film.chunks(PAYLOAD)).collect();
        let of_first = films[0].len().div_ceil(PAYLOAD);
        let expected = 2 * payloads.len();
        assert_eq!(number::<usize>(&report, "packets"), expected, "{engine}: {report}");
        let mut timestamp = 0;
        for (number, datagram) in capture.datagrams(destination, expected).iter().enumerate() {
            let name = format!("{engine} engine, packet {number}");
            let rtp = datagram.rtp().unwrap_or_else(|error| panic!("{name}: {error}"));
            let of_play = number % payloads.len();
            assert!(rtp.payload == payloads[of_play], "{name}: payload");
            assert_eq!(rtp.sequence, 65_530u16.wrapping_add(number as u16), "{name}: sequence");
            assert_eq!(rtp.marker, number > 0 && (of_play == 0 || of_play == of_first), "{name}: marker");
            let step = rtp.timestamp - timestamp;
            // A packet of the first lasts 189 ticks, one of the second 473, the last of each less.
            assert!(number == 0 || (1..=474).contains(&step), "{name}: a step of {step} ticks");
            timestamp = rtp.timestamp;
        }
        let seconds = f64::from(timestamp) / 90_000.0;
        assert!((seconds - 1.6).abs() < 0.02, "{engine}: {seconds} s by its timestamps");
    }
}

#[test]
fn files_of_different_kinds_are_no_flow() {
    let net = Net::direct();
    let film = net.krtp.file("a.ts", &programme(0.3, 9, |_| 5e6).0);
    let raw = net.krtp.file("b.bin", &[7; PAYLOAD * 10]);
    let names = [film, raw].map(|path| path.to_str().expect("a name").to_owned());
    let to = ["--to", "198.18.0.2:5004", "--pt", "96", "--clock-rate", "90000", "--payload", "1316"];
    let ended = net.stream(&[&[&*names[0], &*names[1]], &to[..], &["--pace", "1000000"]].concat());
    assert!(
        ended.failure().contains("a.ts and ") && ended.failure().contains("cannot be one flow"),
        "{ended:?}"
    );
}
