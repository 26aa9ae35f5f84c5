//! The senders, each as its users run it.

use crate::pacing::{
    delivery::Carries,
    rows::{ROWS as PACED, Way},
};
use anyhow::{Context, ensure};
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One sender.
#[derive(Debug)]
pub struct Row {
    /// Its name on the command line.
    pub key: &'static str,
    /// Its name in tables.
    pub name: &'static str,
    /// The Debian package that has it; none of krtp.
    pub package: Option<&'static str>,
    /// Whether it keeps to the media's time and cannot do otherwise.
    pub paced: bool,
    /// Whether its interface cuts UDP batches apart by itself, as network cards with segmentation offload do.
    pub offload: bool,
    /// What arrives from it.
    pub carries: Carries,
    /// What else there is to know.
    pub note: &'static str,
    /// What has to be there before it can send the file.
    pub prepare: fn(&Way) -> anyhow::Result<()>,
    /// The command, ready to run.
    pub command: fn(&Way) -> anyhow::Result<Command>,
}

/// Every sender; the first is the one that the others are compared with.
pub const ROWS: &[Row] = &[
    Row {
        key: "krtp",
        name: "krtp",
        note: "Kernel engine, with --pace none. The file's index is there from the first play.",
        ..PLAIN
    },
    Row {
        key: "krtp-user",
        name: "krtp --engine user",
        note: "User engine, with --pace none: headers written in user space, batches segmented by the kernel.",
        command: |way| Ok(krtp(way, &["--engine", "user"])),
        ..PLAIN
    },
    Row {
        key: "krtp-prepared",
        name: "krtp, prepared file",
        note: PREPARED,
        prepare,
        command: |way| Ok(krtp_prepared(way)),
        ..PLAIN
    },
    Row {
        key: "krtp-prepared-offload",
        name: "krtp, prepared file",
        offload: true,
        note: PREPARED,
        prepare,
        command: |way| Ok(krtp_prepared(way)),
        ..PLAIN
    },
    Row {
        key: "ffmpeg",
        name: "ffmpeg",
        package: Some("ffmpeg"),
        carries: Carries::Programme(1),
        note: "Without -re. It takes the multiplex apart and makes it anew, which the others do not; null packets are \
               left out.",
        command: |way| Ok(ffmpeg(way)),
        ..PLAIN
    },
    Row {
        key: "gstreamer",
        name: "GStreamer",
        package: Some("gstreamer1.0-tools"),
        note: "sync=false on the sink. tsparse is there to put transport packets into buffers.",
        command: |way| Ok(gstreamer(way)),
        ..PLAIN
    },
    Row {
        key: "multicat",
        name: "multicat",
        package: Some("multicat"),
        paced: true,
        note: "Sends by the times that ingests wrote beside the file, and not otherwise; a shorter file therefore.",
        command: multicat,
        ..PLAIN
    },
    Row {
        key: "vlc",
        name: "VLC",
        package: Some("vlc-bin"),
        paced: true,
        carries: Carries::Programme(4),
        note: "Sends by its own clock, and not otherwise; a shorter file therefore. It takes the multiplex apart and \
               makes it anew. When the file ends it throws away what its multiplexer still holds, two seconds and \
               more: what it sent is counted, not the file. It refuses root, and runs as nobody.",
        command: vlc,
        ..PLAIN
    },
];

/// What most rows are.
const PLAIN: Row = Row {
    key: "",
    name: "",
    package: None,
    paced: false,
    offload: false,
    carries: Carries::File,
    note: "",
    prepare: |_| Ok(()),
    command: |way| Ok(krtp(way, &["--engine", "kernel"])),
};

const PREPARED: &str = "A copy that krtp prepare wrote, with --pace none. Each block is checked against its sum before \
                        it is sent, once a process: that is in the cost.";

impl Row {
    /// The command with its words going to a file, and that file.
    pub fn ready(&self, way: &Way) -> anyhow::Result<(Command, PathBuf)> {
        let log = way.scratch.join(self.key).with_extension("log");
        let said = File::create(&log)?;
        let mut command = (self.command)(way)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        Ok((command, log))
    }
}

/// A command as one would type it, paths without their directories.
pub fn shown(command: &Command) -> String {
    let word = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        match word.split_once('=') {
            Some((key, path)) if path.starts_with('/') => format!("{key}={}", name(path)),
            _ if word.starts_with('/') => name(&word),
            _ => word.into_owned(),
        }
    };
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(word).collect::<Vec<_>>().join(" ")
}

fn krtp(way: &Way, arguments: &[&str]) -> Command {
    let mut command = krtp_itself(way);
    command.arg("stream").arg(way.file).args(["--to", &way.to.to_string(), "--pace", "none"]).args(arguments);
    command
}

fn krtp_prepared(way: &Way) -> Command {
    krtp(&Way { file: &copy(way.file), ..*way }, &[])
}

fn krtp_itself(way: &Way) -> Command {
    let mut command = Command::new(way.krtp);
    command.env("XDG_CACHE_HOME", way.scratch.join("cache"));
    command
}

/// The prepared copy of a file.
fn copy(file: &Path) -> PathBuf {
    file.with_extension("ts.krtp")
}

/// Makes it, if it is not there.
fn prepare(way: &Way) -> anyhow::Result<()> {
    let copy = copy(way.file);
    if copy.exists() {
        return Ok(());
    }
    let made = krtp_itself(way).arg("prepare").arg(way.file).arg("--output").arg(&copy).output()?;
    let error = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "{}", error.trim());
    Ok(())
}

fn ffmpeg(way: &Way) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i"]).arg(way.file);
    command.args(["-map", "0", "-c", "copy", "-f", "rtp_mpegts"]);
    command.arg(format!("rtp://{}?pkt_size=1328", way.to));
    command
}

fn gstreamer(way: &Way) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").arg("filesrc").arg(format!("location={}", way.file.display()));
    command.args(["!", "tsparse", "!", "rtpmp2tpay", "!", "udpsink", "sync=false"]);
    command.args([format!("host={}", way.to.ip()), format!("port={}", way.to.port())]);
    command
}

fn multicat(way: &Way) -> anyhow::Result<Command> {
    PACED.iter().find(|row| row.key == "multicat").context("multicat paces")?.command(way)
}

fn vlc(way: &Way) -> anyhow::Result<Command> {
    // Nobody has to be able to read it.
    fs::set_permissions(way.scratch, Permissions::from_mode(0o755))?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps=-all"]);
    command.args(["cvlc", "--quiet", "--no-dbus"]).arg(way.file).arg("--sout");
    command.arg(format!("#rtp{{mux=ts,dst={},port={}}}", way.to.ip(), way.to.port()));
    command.args(["--sout-all", "vlc://quit"]).env("HOME", "/nonexistent");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{ROWS, shown};
    use std::process::Command;

    #[test]
    fn keys_are_one_row_s_each() {
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.key == row.key).count(), 1, "{}", row.key);
        }
    }

    #[test]
    fn a_command_is_shown_without_this_machine_s_directories() {
        let mut command = Command::new("/some/where/krtp");
        command.args(["stream", "/tmp/x/a.ts", "location=/tmp/x/a.ts", "--to", "10.0.0.1:5004", "a=b"]);
        assert_eq!(shown(&command), "krtp stream a.ts location=a.ts --to 10.0.0.1:5004 a=b");
    }
}
