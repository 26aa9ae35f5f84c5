//! FFmpeg receives and decodes.

use crate::{
    session::{Session, assert_same, need},
    support::{media::sample_path, net::output, wait_for},
};
use rustix::process::Signal;
use std::{fs, path::Path, process::Command, sync::OnceLock};

/// The hash of each frame, in the order of presentation.
#[derive(Debug)]
struct Frames {
    pictures: Vec<String>,
    sounds: Vec<String>,
}

impl Frames {
    /// Of the files that [`decode`] has FFmpeg write, as far as they are.
    fn read(directory: &Path) -> Self {
        let hashes = |name| {
            let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
            let whole = text.lines().filter(|line| !line.starts_with('#'));
            whole.filter_map(|line| Some(line.rsplit_once(", ")?.1.to_owned())).collect()
        };
        Self { pictures: hashes("pictures.md5"), sounds: hashes("sounds.md5") }
    }
}

/// Decodes what `input` names, and writes a line per frame into `directory`:
/// every frame as it comes, none doubled or dropped to keep a rate.
fn decode(command: &mut Command, input: &[&str], directory: &Path) {
    let every = ["-flush_packets", "1", "-f", "framemd5"];
    command.current_dir(directory).args(["-nostdin", "-nostats", "-v", "warning"]).args(input);
    command.args(["-map", "0:v", "-fps_mode", "passthrough"]).args(every).arg("pictures.md5");
    command.args(["-map", "0:a"]).args(every).arg("sounds.md5");
}

/// What FFmpeg makes of the file itself.
fn direct() -> &'static Frames {
    static DIRECT: OnceLock<Frames> = OnceLock::new();
    DIRECT.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let mut ffmpeg = Command::new("ffmpeg");
        decode(&mut ffmpeg, &["-i", sample_path().to_str().expect("a path of letters")], directory.path());
        output(&mut ffmpeg);
        let frames = Frames::read(directory.path());
        assert_eq!(frames.pictures.len(), 150, "six seconds of 25 pictures");
        frames
    })
}

/// The sample arrives whole and decodes to the frames of the file. A second play
/// follows, because FFmpeg knows that a picture is whole when the next begins.
#[track_caller]
fn receives_every_frame(to: &str) {
    need("ffmpeg");
    let direct = direct();
    let session = Session::described(to);
    let directory = session.krtp.directory();
    let mut ffmpeg = session.net.b.command("ffmpeg");
    let sdp = session.sdp.to_str().expect("a path of letters");
    decode(&mut ffmpeg, &["-protocol_whitelist", "file,udp,rtp", "-i", sdp], directory);
    let mut player = session.listen(ffmpeg);
    let sender = session.play(&["--loop", "2"]);
    wait_for("last frame", || {
        let received = Frames::read(directory);
        assert!(!player.has_ended(), "FFmpeg ended: {}", player.stderr());
        let whole = received.pictures.len() >= direct.pictures.len();
        (whole && received.sounds.len() >= direct.sounds.len()).then_some(())
    });
    player.signal(Signal::INT);
    player.wait();
    sender.signal(Signal::INT);
    sender.wait().well();
    let received = Frames::read(directory);
    // What follows is of the second play.
    assert_same("pictures", &received.pictures[..direct.pictures.len()], &direct.pictures);
    assert_same("sounds", &received.sounds[..direct.sounds.len()], &direct.sounds);
}

#[test]
fn receives_ipv4() {
    receives_every_frame("198.18.0.2:5004");
}

#[test]
fn receives_ipv6() {
    receives_every_frame("[2001:2::2]:5004");
}

#[test]
fn receives_multicast() {
    receives_every_frame("239.255.42.42:5004");
}
