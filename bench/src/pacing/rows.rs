//! The senders that are compared: each streams the whole file, once, at its own pace, to one receiver.

use super::delivery::Carries;
use anyhow::{Context, bail};
use std::{
    net::SocketAddr,
    path::Path,
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
    /// The command.
    command: fn(&Way) -> anyhow::Result<Command>,
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
    Row {
        key: "krtp-fq",
        name: "krtp, kernel pacing (fq)",
        carries: Carries::File,
        fq: true,
        command: krtp_fq,
    },
    Row { key: "krtp", name: "krtp, without fq", carries: Carries::File, fq: false, command: krtp },
    Row { key: "multicat", name: "multicat", carries: Carries::File, fq: false, command: multicat },
    Row {
        key: "ffmpeg",
        name: "ffmpeg -re (multiplexes anew)",
        carries: Carries::Programme,
        fq: false,
        command: ffmpeg,
    },
    Row { key: "gstreamer", name: "GStreamer", carries: Carries::File, fq: false, command: gstreamer },
];

impl Row {
    /// The sender's command. What it says goes to `scratch`.
    pub fn command(&self, way: &Way) -> anyhow::Result<Command> {
        let mut command = (self.command)(way)?;
        let said = std::fs::File::create(way.scratch.join(format!("{}.log", self.key)))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        Ok(command)
    }
}

fn krtp(way: &Way) -> anyhow::Result<Command> {
    let mut command = Command::new(way.krtp);
    command.env("XDG_CACHE_HOME", way.scratch.join("cache"));
    command.arg("stream").arg(way.file).args(["--to", &way.to.to_string()]);
    command.args(["--engine", "kernel", "--json"]);
    Ok(command)
}

fn krtp_fq(way: &Way) -> anyhow::Result<Command> {
    let mut command = krtp(way)?;
    command.args(["--qdisc", "fq"]);
    Ok(command)
}

/// multicat plays a file by the times that `ingests` has written beside it.
fn multicat(way: &Way) -> anyhow::Result<Command> {
    // It looks for the times beside the file.
    let file = way.scratch.join("multicat.ts");
    std::fs::copy(way.file, &file).with_context(|| file.display().to_string())?;
    let pid = super::clock::first_pid(&std::fs::read(way.file)?).context("no PCR")?;
    let mut ingests = Command::new("ingests");
    let output = ingests.args(["-p", &pid.to_string()]).arg(&file).stdin(Stdio::null()).output();
    let output = output.context("cannot run ingests (Debian package multicat)")?;
    if !output.status.success() {
        bail!("ingests: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut command = Command::new("multicat");
    // The file has no RTP headers in it; what is sent has.
    command.arg("-u").arg(file).arg(way.to.to_string());
    Ok(command)
}

fn ffmpeg(way: &Way) -> anyhow::Result<Command> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-i"]).arg(way.file);
    command.args(["-map", "0", "-c", "copy", "-f", "rtp_mpegts"]);
    command.arg(format!("rtp://{}?pkt_size=1328", way.to));
    Ok(command)
}

fn gstreamer(way: &Way) -> anyhow::Result<Command> {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").arg("filesrc").arg(format!("location={}", way.file.display()));
    command.args(["!", "tsparse", "set-timestamps=true", "!", "rtpmp2tpay", "!", "udpsink"]);
    command.args([format!("host={}", way.to.ip()), format!("port={}", way.to.port())]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn keys_are_one_row_s_each() {
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.key == row.key).count(), 1, "{}", row.key);
        }
    }
}
