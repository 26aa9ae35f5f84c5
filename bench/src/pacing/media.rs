//! The file that every row streams: made once by ffmpeg, at a constant rate, so that its PCRs are exact.

use anyhow::{Context, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Megabits per second of the whole multiplex, where nothing else is asked for.
pub const RATE: u32 = 4;
/// What is left to the sound and to the multiplex, bits per second. The pictures take all else, so that a sender that
/// leaves out the null packets sends about as much.
const NO_PICTURE: u32 = 500_000;

/// The file of `seconds` at `rate` megabits per second in `directory`, made if it is not there.
pub fn ensure(directory: &Path, seconds: u32, rate: u32) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let path = directory.join(format!("pacing-{seconds}s-{rate}M.ts"));
    if !path.exists() {
        eprintln!("krtp-bench: making {} with ffmpeg", path.display());
        make(&path, seconds, rate * 1_000_000)?;
    }
    Ok(path)
}

fn make(path: &Path, seconds: u32, rate: u32) -> anyhow::Result<()> {
    // It appears whole or not at all.
    let unfinished = path.with_extension("part");
    let picture = format!("testsrc2=size=640x360:rate=25:duration={seconds}");
    let video = rate - NO_PICTURE;
    let [bits, buffer] = [video, video / 2].map(|bits| bits.to_string());
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    ffmpeg.args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"]);
    ffmpeg.args(["-b:v", &bits, "-minrate", &bits, "-maxrate", &bits, "-bufsize", &buffer]);
    ffmpeg.args(["-x264-params", "nal-hrd=cbr", "-c:a", "aac", "-b:a", "128k"]);
    ffmpeg.args(["-f", "mpegts", "-muxrate", &rate.to_string()]).arg(&unfinished);
    let output = ffmpeg.stdin(Stdio::null()).output().context("cannot run ffmpeg (Debian package ffmpeg)")?;
    if !output.status.success() {
        bail!("ffmpeg cannot make {}: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let octets = fs::metadata(&unfinished)?.len();
    let due = u64::from(rate) / 8 * u64::from(seconds);
    ensure!(octets.abs_diff(due) < due / 20, "ffmpeg made {octets} octets where {due} are {seconds} s");
    fs::rename(&unfinished, path)?;
    Ok(())
}
