//! GStreamer receives, keeps the transport stream and decodes it.

use crate::{
    session::{Session, assert_same, need},
    support::{
        media::{sample, sample_path},
        net::output,
        wait_for,
    },
};
use rustix::process::Signal;
use std::{fs, process::Command};

/// Decodes and prints a line per picture: a time, which is the receiver's own,
/// and a hash. Sounds are decoded too, but how many GStreamer lets go at the
/// beginning depends on where the stream comes from.
const DECODE: &str = "tsdemux name=demux \
    demux. ! queue ! h264parse ! avdec_h264 ! checksumsink hash=md5 sync=false \
    demux. ! queue ! aacparse ! avdec_aac ! fakesink sync=false";

/// The hashes among what [`DECODE`] printed.
fn hashes(printed: &str) -> Vec<String> {
    let pictures = printed.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    pictures.filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned())).collect()
}

#[test]
fn receives_every_octet_and_every_picture() {
    need("gst-launch-1.0");
    let mut gstreamer = Command::new("gst-launch-1.0");
    gstreamer.arg("filesrc").arg(format!("location={}", sample_path().display())).arg("!");
    let direct = output(gstreamer.args(DECODE.split_whitespace()));
    assert_eq!(hashes(&direct).len(), 150, "six seconds of 25 pictures: {direct}");

    let session = Session::described("198.18.0.2:5004");
    let saved = session.krtp.directory().join("received.ts");
    let pipeline = format!(
        "-e filesrc location={} ! sdpdemux ! rtpmp2tdepay ! tee name=stream \
         stream. ! queue ! filesink buffer-mode=unbuffered location={} \
         stream. ! queue ! {DECODE}",
        session.sdp.display(),
        saved.display()
    );
    let mut gstreamer = session.net.b.command("gst-launch-1.0");
    gstreamer.args(pipeline.split_whitespace());
    let mut player = session.listen(gstreamer);
    session.play(&[]).wait().well();
    let file = sample();
    wait_for("last octet", || {
        assert!(!player.has_ended(), "GStreamer ended: {}", player.stderr());
        let length = fs::metadata(&saved).map_or(0, |saved| saved.len());
        (length >= file.len() as u64).then_some(())
    });
    // With -e it plays what it has to the end.
    player.signal(Signal::INT);
    let received = player.wait().well();
    assert!(fs::read(&saved).expect("just written") == file, "the transport stream");
    assert_same("pictures", &hashes(&received.stdout), &hashes(&direct));
}
