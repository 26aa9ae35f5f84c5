//! Audio: the samples in RTP's byte order, and a clock that counts them.

use crate::support::{Capture, Net, Stream, audio::Pcm, expect::number, media::Rate};

/// Sends `file`, which holds `pcm`, and sees that its packets carry `payload`
/// octets each.
#[track_caller]
fn send(engine: &str, name: &str, file: &[u8], pcm: &Pcm, (pt, payload): (u8, usize), more: &[&str]) {
    let net = Net::resolving();
    let path = net.krtp.file(name, file);
    let address = |text: &str| text.parse().expect("an address");
    let stream = Stream {
        payload_type: pt,
        clock_rate: pcm.rate.into(),
        rate: Some(Rate::of_frames(pcm.frame(), pcm.rate.into())),
        marks: false,
        plays: if more.contains(&"--loop") { 3 } else { 1 },
        ..Stream::of_raw(&pcm.samples, payload, address("198.18.0.1:0"), address("198.18.0.2:5004"))
    };
    let case = format!("{name}, {engine} engine, {more:?}");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    // Unpaced, since a busy machine would have the stream shifted; the clock of
    // the timestamps is the samples all the same.
    let options = [&["--engine", engine, "--pace", "none"], more].concat();
    let report = stream.start(&net, &path, &options).wait().well().json();
    let packets = stream.arrives(&case, &capture, &report, 0);
    assert_eq!(report["engine"], engine, "{case}");
    // A packet's samples are what the next one's timestamp is further.
    for pair in packets.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert_eq!(u64::from(step) * pcm.frame(), pair[0].payload.len() as u64, "{case}");
    }
    assert_eq!(number::<u64>(&report, "clock_rate"), u64::from(pcm.rate), "{case}");
}

const ENGINES: [&str; 2] = ["kernel", "user"];

#[test]
fn wav_of_24_bits_by_the_millisecond() {
    let pcm = Pcm::noise(3, 2, 48_000, 48 * 1000 + 17);
    for engine in ENGINES {
        send(engine, "a.wav", &pcm.wav(), &pcm, (96, 288), &[]);
    }
}

#[test]
fn wav_of_16_bits_again_and_again() {
    // Whole packets: a shorter one in between would have the step of a full one.
    let pcm = Pcm::noise(2, 2, 44_100, 48 * 400);
    for engine in ENGINES {
        send(engine, "a.wav", &pcm.wav(), &pcm, (10, 192), &["--loop", "3"]);
    }
}

#[test]
fn au_of_eight_channels_by_the_eighth_of_a_millisecond() {
    let pcm = Pcm::noise(3, 8, 48_000, 6 * 4000);
    for engine in ENGINES {
        send(engine, "a.au", &pcm.au(4), &pcm, (96, 144), &["--ptime", "0.125"]);
    }
}

#[test]
fn telephone_sound_by_name_and_by_type() {
    let pcm = Pcm::noise(1, 1, 8_000, 8_000 + 100);
    for engine in ENGINES {
        send(engine, "a.ulaw", &pcm.samples, &pcm, (0, 160), &[]);
        send(engine, "a.raw", &pcm.samples, &pcm, (8, 240), &["--pt", "8", "--ptime", "30"]);
        send(engine, "a.au", &pcm.au(1), &pcm, (0, 160), &[]);
    }
}

#[test]
fn audio_lasts_as_long_as_its_samples() {
    let net = Net::direct();
    let pcm = Pcm::noise(2, 2, 48_000, 48_000);
    let path = net.krtp.file("a.wav", &pcm.wav());
    let path = path.to_str().expect("a path of letters");
    for engine in ENGINES {
        let report = net.stream(&[path, "--to", "198.18.0.2:5004", "--engine", engine]).well().json();
        let seconds = report["seconds"].as_f64().expect("a number");
        // Up to a burst less, and as much more as the machine is late.
        assert!((0.9..2.0).contains(&seconds), "{engine} engine: one second took {seconds} s");
    }
}
