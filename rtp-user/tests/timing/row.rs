//! Several files as one flow.

use crate::{
    support::{Capture, Net, expect::number},
    synth::{Synth, programme},
};

const PAYLOAD: usize = 1316;

#[test]
fn files_follow_one_another_as_one_flow() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let octets = [(0.3, 5e6), (0.5, 2e6)].map(|(seconds, bits)| programme(seconds, 9, move |_| bits).0);
        let files = [net.krtp.file("a.ts", &octets[0]), net.krtp.file("b.ts", &octets[1])];
        let destination = "198.18.0.2:5004".parse().expect("an address");
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let names = files.each_ref().map(|file| file.to_str().expect("a name"));
        let arguments = [names[0], names[1], "--to", "198.18.0.2:5004", "--engine", engine];
        let options = ["--loop", "2", "--seq", "65530", "--timestamp", "0", "--max-late", "60"];
        let report = net.stream(&[&arguments[..], &options].concat()).well().json();

        let payloads: Vec<&[u8]> = octets.iter().flat_map(|octets| octets.chunks(PAYLOAD)).collect();
        let of_first = octets[0].len().div_ceil(PAYLOAD);
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

/// The flow's time stands while such a file is sent, and goes on behind it.
#[test]
fn a_file_without_a_clock_holds_the_timestamps_where_they_are() {
    for engine in ["kernel", "user"] {
        let net = Net::resolving();
        let film = programme(1.0, 9, |_| 3e6).0;
        let mut silent = Synth::default();
        silent.payload(0x100, 7 * 50);
        let files = [net.krtp.file("film.ts", &film), net.krtp.file("nopcr.ts", &silent.octets)];
        let [film_name, silent_name] = files.each_ref().map(|file| file.to_str().expect("a name"));
        let destination = "198.18.0.2:5004".parse().expect("an address");
        let capture = Capture::start(&net.b, "vb", &[5004]);
        net.slow_down();
        let row = [film_name, silent_name, film_name, silent_name, "--to", "198.18.0.2:5004"];
        let options = ["--pace", "none", "--timestamp", "1000", "--engine", engine];
        let ended = net.stream(&[&row[..], &options].concat()).well();
        let told = "nopcr.ts: nothing says how long a packet lasts (no PCR, no samples): \
                    all timestamps of a play are alike";
        assert!(ended.stderr.contains(told), "{engine}: {ended:?}");
        let (of_film, of_silent) = (film.len().div_ceil(PAYLOAD), 50);
        let expected = 2 * (of_film + of_silent);
        let datagrams = capture.datagrams(destination, expected);
        let stamps: Vec<u32> = datagrams.iter().map(|one| one.rtp().expect("RTP").timestamp).collect();
        assert_eq!(stamps[0], 1000, "{engine}");
        assert!(stamps.is_sorted(), "{engine}: a step back: {stamps:?}");
        for play in 0..2 {
            let begin = (play + 1) * of_film + play * of_silent;
            let still = &stamps[begin..begin + of_silent];
            assert!(still.iter().all(|stamp| *stamp == still[0]), "{engine}: {still:?}");
            let ticks = f64::from(still[0] - 1000) / 90_000.0;
            assert!((ticks - (play + 1) as f64).abs() < 0.01, "{engine}: {ticks} s");
        }
        // The film goes on at the time at which the other held.
        assert_eq!(stamps[of_film + of_silent], stamps[of_film], "{engine}");
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
