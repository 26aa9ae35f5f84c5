//! Audio: what FFmpeg and GStreamer make of a stream is what was in the file,
//! and Wireshark sees packets as AES67 has them.

use crate::{
    session::{Session, need},
    support::{Krtp, Net, Running, audio::Pcm, net::output, wait_for},
};
use rustix::process::Signal;
use std::{fs, path::Path, process::Command};

/// Sees that `player` writes just `expected` to `saved` while `session` is played.
#[track_caller]
fn receives(session: &Session, mut player: Running, saved: &Path, expected: &[u8]) {
    session.play(&[]).wait().well();
    wait_for("last sample", || {
        assert!(!player.has_ended(), "the receiver ended: {}", player.stderr());
        let length = fs::metadata(saved).map_or(0, |saved| saved.len());
        (length >= expected.len() as u64).then_some(())
    });
    player.signal(Signal::INT);
    player.wait();
    let received = fs::read(saved).expect("just written");
    let differs = received.iter().zip(expected).position(|(received, sent)| received != sent);
    assert_eq!(differs, None, "the first octet that differs, of {}", expected.len());
    assert_eq!(received.len(), expected.len(), "how many octets");
}

/// FFmpeg plays `file` by the description and decodes to samples of `coding`.
#[track_caller]
fn ffmpeg_decodes(
    krtp: Krtp,
    (name, file): (&str, &[u8]),
    engine: &'static str,
    more: &[&'static str],
    coding: &str,
    expected: &[u8],
) {
    need("ffmpeg");
    let path = krtp.file(name, file);
    let session = Session::of(krtp, path, "198.18.0.2:5004", engine, more);
    let saved = session.krtp.directory().join("received.raw");
    let mut ffmpeg = session.net.b.command("ffmpeg");
    ffmpeg.args(["-nostdin", "-nostats", "-v", "warning", "-protocol_whitelist", "file,udp,rtp", "-i"]);
    ffmpeg.arg(&session.sdp).args(["-c:a", &format!("pcm_{coding}"), "-f", coding, "-flush_packets", "1"]);
    ffmpeg.arg(&saved);
    let player = session.listen(ffmpeg);
    receives(&session, player, &saved, expected);
}

#[test]
fn ffmpeg_decodes_16_bits_of_a_wav_file() {
    let pcm = Pcm::noise(2, 2, 44_100, 48 * 1500);
    ffmpeg_decodes(Krtp::new(), ("a.wav", &pcm.wav()), "kernel", &[], "s16be", &pcm.samples);
}

#[test]
fn ffmpeg_decodes_24_bits_of_an_au_file() {
    let pcm = Pcm::noise(3, 8, 48_000, 48 * 1500);
    ffmpeg_decodes(Krtp::new(), ("a.au", &pcm.au(4)), "user", &[], "s24be", &pcm.samples);
}

#[test]
fn ffmpeg_decodes_telephone_sound() {
    let pcm = Pcm::noise(1, 1, 8_000, 160 * 75);
    let krtp = Krtp::new();
    let path = krtp.file("a.ulaw", &pcm.samples);
    let decoded = krtp.directory().join("direct.raw");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "mulaw", "-ar", "8000", "-i"]).arg(&path);
    output(ffmpeg.args(["-c:a", "pcm_s16be", "-f", "s16be"]).arg(&decoded));
    let expected = fs::read(&decoded).expect("just written");
    assert_eq!(expected.len(), 2 * pcm.samples.len(), "one sample an octet");
    ffmpeg_decodes(krtp, ("a.ulaw", &pcm.samples), "kernel", &[], "s16be", &expected);
}

#[test]
fn gstreamer_takes_24_bits_by_the_millisecond() {
    need("gst-launch-1.0");
    let pcm = Pcm::noise(3, 2, 48_000, 48 * 1500);
    let krtp = Krtp::new();
    let path = krtp.file("a.wav", &pcm.wav());
    let session = Session::of(krtp, path, "198.18.0.2:5004", "kernel", &["--ptime", "1"]);
    let saved = session.krtp.directory().join("received.raw");
    let pipeline = format!(
        "-e filesrc location={} ! sdpdemux ! rtpL24depay ! audio/x-raw,format=S24BE,rate=48000,channels=2 ! \
         filesink buffer-mode=unbuffered location={}",
        session.sdp.display(),
        saved.display()
    );
    let mut gstreamer = session.net.b.command("gst-launch-1.0");
    gstreamer.args(pipeline.split_whitespace());
    let player = session.listen(gstreamer);
    receives(&session, player, &saved, &pcm.samples);
}

#[test]
fn wireshark_sees_48_samples_a_packet() {
    need("tshark");
    let (net, krtp) = (Net::resolving(), Krtp::new());
    let pcm = Pcm::noise(3, 2, 48_000, 48 * 500);
    let file = krtp.file("a.wav", &pcm.wav());
    let file = file.to_str().expect("a path of letters");
    let saved = krtp.directory().join("wire.pcapng");
    let saved = saved.to_str().expect("a path of letters");
    let mut capture = net.b.command("tshark");
    capture.args(["-q", "-i", "vb", "-f", "udp dst port 5004", "-c", "500", "-w", saved]);
    let mut capture = krtp.spawn(capture);
    wait_for("packet socket", || {
        assert!(!capture.has_ended(), "tshark ended: {}", capture.stderr());
        let sockets = net.b.inside(|| fs::read_to_string("/proc/thread-self/net/packet"));
        // The first line is a heading.
        sockets.is_ok_and(|sockets| sockets.lines().count() > 1).then_some(())
    });
    krtp.run(&net.a, &["stream", file, "--engine", "kernel", "--to", "198.18.0.2:5004"]).well();
    capture.wait().well();
    let mut tshark = Command::new("tshark");
    tshark.env("XDG_CONFIG_HOME", krtp.directory()).args(["-r", saved, "-d", "udp.port==5004,rtp"]);
    tshark.args([
        "-T",
        "fields",
        "-e",
        "rtp.p_type",
        "-e",
        "rtp.marker",
        "-e",
        "udp.length",
        "-e",
        "rtp.timestamp",
    ]);
    let printed = output(&mut tshark);
    let lines: Vec<(&str, u32)> = printed
        .lines()
        .filter_map(|line| line.rsplit_once('\t'))
        .map(|(fields, timestamp)| (fields, timestamp.parse().expect("a number")))
        .collect();
    assert_eq!(lines.len(), 500, "{printed}");
    // 8 octets of UDP, 12 of RTP, 48 × 6 of samples; the marker is 0 or False by version.
    let alike = |fields: &str| matches!(fields, "96\t0\t308" | "96\tFalse\t308");
    assert!(lines.iter().all(|(fields, _)| alike(fields)), "{printed}");
    let steps = lines.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1));
    assert!(steps.eq(std::iter::repeat_n(48, 499)), "{printed}");
}
