//! The senders that are compared: each streams the whole file, once, at its own pace, to one receiver.

use super::{clock, delivery::Carries};
use anyhow::{Context, bail};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One sender.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name on the command line and in reports.
    pub key: &'static str,
    /// Its name in tables.
    pub name: &'static str,
    /// What arrives from it.
    pub carries: Carries,
    /// Whether it needs the fq qdisc.
    pub fq: bool,
    /// What has to be done before it can stream the file.
    prepare: fn(&Way) -> anyhow::Result<()>,
    /// The command.
    command: fn(&Way) -> Command,
}

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The binary `krtp`.
    pub krtp: &'a Path,
    /// The transport stream.
    pub file: &'a Path,
    /// A directory for what senders write.
    pub scratch: &'a Path,
    /// The receiver.
    pub to: SocketAddr,
}

/// Every sender; the first is the one that the others are compared with.
pub const ROWS: &[Row] = &[
    Row { key: "krtp-fq", name: "krtp, kernel pacing (fq)", fq: true, command: krtp_fq, ..PLAIN },
    Row {
        key: "krtp-max-rate",
        name: "krtp, fq, --max-rate 4600000",
        fq: true,
        command: krtp_max_rate,
        ..PLAIN
    },
    Row { key: "krtp", name: "krtp, without fq", command: krtp, ..PLAIN },
    Row { key: "multicat", name: "multicat", prepare: ingest, command: multicat, ..PLAIN },
    Row {
        key: "ffmpeg",
        name: "ffmpeg -re (multiplexes anew)",
        carries: Carries::Programme(1),
        command: ffmpeg,
        ..PLAIN
    },
    Row { key: "gstreamer", name: "GStreamer", command: gstreamer, ..PLAIN },
];

/// What most rows are.
const PLAIN: Row =
    Row { key: "", name: "", carries: Carries::File, fq: false, prepare: |_| Ok(()), command: krtp };

impl Row {
    /// The sender's command, ready to run. What it says goes to [`Row::log`].
    pub fn command(&self, way: &Way) -> anyhow::Result<Command> {
        (self.prepare)(way)?;
        let said = File::create(self.log(way))?;
        let mut command = (self.command)(way);
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        Ok(command)
    }

    /// Where the sender's words go.
    pub fn log(&self, way: &Way) -> PathBuf {
        way.scratch.join(self.key).with_extension("log")
    }
}

fn krtp(way: &Way) -> Command {
    let mut command = Command::new(way.krtp);
    command.env("XDG_CACHE_HOME", way.scratch.join("cache"));
    command.arg("stream").arg(way.file).args(["--to", &way.to.to_string()]);
    command.args(["--engine", "kernel", "--json"]);
    command
}

fn krtp_fq(way: &Way) -> Command {
    let mut command = krtp(way);
    command.args(["--qdisc", "fq"]);
    command
}

/// The file's [`RATE`](super::media::RATE) is 4.17 Mb/s with its headers; a tenth more. Near enough for packets that a
/// stall has held up to leave nine tenths of their due spacing apart; far enough for a lag to be gone in ten times the
/// stall.
fn krtp_max_rate(way: &Way) -> Command {
    let mut command = krtp_fq(way);
    command.args(["--max-rate", "4600000"]);
    command
}

/// multicat plays a file by the times that `ingests` has written beside it.
fn ingest(way: &Way) -> anyhow::Result<()> {
    let pid = clock::first_pid(&fs::read(way.file)?).context("no PCR")?;
    let mut ingests = Command::new("ingests");
    let output = ingests.args(["-p", &pid.to_string()]).arg(way.file).stdin(Stdio::null()).output();
    let output = output.context("cannot run ingests (Debian package multicat)")?;
    if !output.status.success() {
        bail!("ingests: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn multicat(way: &Way) -> Command {
    let mut command = Command::new("multicat");
    // The file has no RTP headers in it; what is sent has.
    command.arg("-u").arg(way.file).arg(way.to.to_string());
    command
}

fn ffmpeg(way: &Way) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-i"]).arg(way.file);
    command.args(["-map", "0", "-c", "copy", "-f", "rtp_mpegts"]);
    command.arg(format!("rtp://{}?pkt_size=1328", way.to));
    command
}

fn gstreamer(way: &Way) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").arg("filesrc").arg(format!("location={}", way.file.display()));
    command.args(["!", "tsparse", "set-timestamps=true", "!", "rtpmp2tpay", "!", "udpsink"]);
    command.args([format!("host={}", way.to.ip()), format!("port={}", way.to.port())]);
    command
}

#[cfg(test)]
mod tests {
    use super::{super::media::RATE, ROWS, Way, krtp_max_rate};

    #[test]
    fn the_row_s_words_say_its_rate() {
        let way = Way {
            krtp: "krtp".as_ref(),
            file: "a.ts".as_ref(),
            scratch: "/tmp".as_ref(),
            to: "192.0.2.1:5004".parse().unwrap(),
        };
        let command = krtp_max_rate(&way);
        let rate = command.get_args().last().unwrap().to_string_lossy().into_owned();
        let row = ROWS.iter().find(|row| row.key == "krtp-max-rate").unwrap();
        assert!(row.name.ends_with(&format!("--max-rate {rate}")), "{}", row.name);
        let more = rate.parse::<f64>().unwrap() / (f64::from(RATE) * 1e6 * 1370.0 / 1316.0);
        assert!((1.05..1.15).contains(&more), "{more} times what is needed");
    }

    #[test]
    fn keys_are_one_row_s_each() {
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.key == row.key).count(), 1, "{}", row.key);
        }
    }
}
