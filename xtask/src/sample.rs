//! `sample`: the bundled file, made with ffmpeg.

use crate::{
    places, process,
    setup::{self, Group},
};
use anyhow::{Result, bail};
use std::{fs, process::Command, time::Duration};

/// Where it is.
pub const FILE: &str = "sample/krtp-sample.ts";

/// Bits per second of the whole multiplex. It is constant: null packets fill it up, so that a packet's place in the
/// file is its time (ISO/IEC 13818-1, D.0.9), and the PCRs are exact.
const MUX_RATE: u64 = 2_000_000;
const SECONDS: u64 = 6;
const FRAMES_PER_SECOND: u64 = 25;
/// Octets of an MPEG-TS packet.
const TS_PACKET: u64 = 188;

/// How long a file of `octets` octets plays at the sample's rate.
pub fn duration(octets: u64) -> Duration {
    Duration::from_nanos(octets * 8 * 1_000_000_000 / MUX_RATE)
}

/// Makes the file again and checks it. The same ffmpeg and x264 make the same bytes.
pub fn run() -> Result<()> {
    setup::ensure(&[Group::Test])?;
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.current_dir(places::root()).args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-y"]);
    ffmpeg.args(pictures_and_tone()).args(coding()).args(multiplex()).arg(FILE);
    process::run(&mut ffmpeg)?;
    check()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Moving test pattern with a clock, tone with a beep each second.
fn pictures_and_tone() -> Vec<String> {
    words(&format!(
        "-filter_threads 1 \
         -f lavfi -i testsrc2=size=640x360:rate={FRAMES_PER_SECOND}:duration={SECONDS} \
         -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:duration={SECONDS} \
         -map 0:v -map 1:a -map_metadata -1"
    ))
}

/// H.264 with a key frame each second, for receivers that join late, and AAC; one thread, which makes x264
/// reproducible.
fn coding() -> Vec<String> {
    words(&format!(
        "-fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
         -c:v libx264 -threads:v 1 -preset medium -profile:v main -pix_fmt yuv420p \
         -g {FRAMES_PER_SECOND} -keyint_min {FRAMES_PER_SECOND} -sc_threshold 0 -bf 2 \
         -b:v 1400k -maxrate 1400k -bufsize 700k -c:a aac -b:a 96k -ac 2"
    ))
}

fn multiplex() -> Vec<String> {
    words(&format!(
        "-metadata service_name=krtp -metadata service_provider=krtp \
         -f mpegts -muxrate {MUX_RATE} -pcr_period 20 -pat_period 0.1 -sdt_period 0.5"
    ))
}

/// Every frame decodes, and the file is whole TS packets.
fn check() -> Result<()> {
    let path = places::root().join(FILE);
    let octets = fs::metadata(&path)?.len();
    if octets % TS_PACKET != 0 {
        bail!("{FILE} has {octets} octets, which is not a multiple of {TS_PACKET}");
    }
    let decode = ["-v", "error", "-xerror", "-nostdin", "-i", FILE, "-f", "null", "-"];
    process::output(Command::new("ffmpeg").current_dir(places::root()).args(decode))?;
    let count = ["-v", "error", "-select_streams", "v", "-count_frames", "-of", "csv=p=0"];
    let mut probe = Command::new("ffprobe");
    probe.args(count).args(["-show_entries", "stream=nb_read_frames"]).arg(&path);
    let frames = process::output(&mut probe)?;
    let expected = SECONDS * FRAMES_PER_SECOND;
    // One line per programme that lists the stream, and one for the stream itself.
    if frames.lines().filter(|line| !line.is_empty()).any(|line| line.parse() != Ok(expected)) {
        bail!("{FILE} should have {expected} pictures; FFmpeg counts {:?}", frames.trim());
    }
    println!("{FILE}: {octets} octets, {expected} pictures, {:.3} s", duration(octets).as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_file_is_what_the_demo_takes_it_for() {
        let bytes = fs::read(places::root().join(FILE)).unwrap();
        assert!(bytes.chunks(188).all(|packet| packet.len() == 188 && packet[0] == 0x47));
        let length = duration(bytes.len() as u64).as_secs_f64();
        assert!((5.9..6.1).contains(&length), "{length} s");
        assert_ne!(bytes.len() % 1316, 0, "the last packet is to be a short one");
    }
}
