//! The senders, each as its users run it.

use crate::pacing::{
    delivery::Carries,
    rows::{ROWS as PACED, Way},
};
use anyhow::Context;
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
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
    /// What arrives from it.
    pub carries: Carries,
    /// What else there is to know.
    pub note: &'static str,
    /// The command, ready to run.
    pub command: fn(&Way) -> anyhow::Result<Command>,
}

/// Every sender; the first is the one that the others are compared with.
pub const ROWS: &[Row] = &[
    Row {
        key: "krtp",
        name: "krtp",
        package: None,
        paced: false,
        carries: Carries::File,
        note: "Kernel engine, with --pace none. The file's index is there from the first play.",
        command: |way| Ok(krtp(way, "kernel")),
    },
    Row {
        key: "krtp-user",
        name: "krtp --engine user",
        package: None,
        paced: false,
        carries: Carries::File,
        note: "User engine, with --pace none: headers written in user space, batches segmented by the kernel.",
        command: |way| Ok(krtp(way, "user")),
    },
    Row {
        key: "ffmpeg",
        name: "ffmpeg",
        package: Some("ffmpeg"),
        paced: false,
        carries: Carries::Programme,
        note: "Without -re. It takes the multiplex apart and makes it anew, which the others do not; null packets are \
               left out.",
        command: |way| Ok(ffmpeg(way)),
    },
    Row {
        key: "gstreamer",
        name: "GStreamer",
        package: Some("gstreamer1.0-tools"),
        paced: false,
        carries: Carries::File,
        note: "sync=false on the sink. tsparse is there to put transport packets into buffers.",
        command: |way| Ok(gstreamer(way)),
    },
    Row {
        key: "multicat",
        name: "multicat",
        package: Some("multicat"),
        paced: true,
        carries: Carries::File,
        note: "Sends by the times that ingests wrote beside the file, and not otherwise; a shorter file therefore.",
        command: multicat,
    },
    Row {
        key: "vlc",
        name: "VLC",
        package: Some("vlc-bin"),
        paced: true,
        carries: Carries::Programme,
        note: "Sends by its own clock, and not otherwise; a shorter file therefore. It takes the multiplex apart and \
               makes it anew. It refuses root, and runs as nobody.",
        command: vlc,
    },
];

impl Row {
    /// The command with its words going to a file, and that file.
    pub fn ready(&self, way: &Way) -> anyhow::Result<(Command, std::path::PathBuf)> {
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

fn krtp(way: &Way, engine: &str) -> Command {
    let mut command = Command::new(way.krtp);
    command.env("XDG_CACHE_HOME", way.scratch.join("cache"));
    command.arg("stream").arg(way.file).args(["--to", &way.to.to_string()]);
    command.args(["--engine", engine, "--pace", "none", "--json"]);
    command
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
