//! A stream and those who wait for it.

use crate::support::{Krtp, Net, Running, media::sample_path, wait_for};
use std::{
    env, fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::Command,
};

/// Fails with one line where `tool` is not installed.
pub fn need(tool: &str) {
    let directories = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&directories).any(|directory| directory.join(tool).exists());
    assert!(found, "{tool} is missing: install with cargo xtask setup");
}

/// A stream that was described, and is yet to be played.
pub struct Session {
    pub net: Net,
    pub krtp: Krtp,
    /// The description that receivers get.
    pub sdp: PathBuf,
    to: SocketAddr,
    file: PathBuf,
    engine: &'static str,
    more: Vec<&'static str>,
}

impl Session {
    /// Has krtp describe a stream of the sample to `to`, by streaming it to nobody.
    pub fn described(to: &str) -> Self {
        Self::of(Krtp::new(), sample_path(), to, "kernel", &[])
    }

    /// The same of any `file`, by `engine` and with `more` options.
    pub fn of(krtp: Krtp, file: PathBuf, to: &str, engine: &'static str, more: &[&'static str]) -> Self {
        let sdp = krtp.directory().join("stream.sdp");
        let to: SocketAddr = to.parse().expect("an address");
        let session = Self { net: Net::direct(), krtp, sdp, to, file, engine, more: more.to_vec() };
        if to.ip().is_multicast() {
            session.net.b.ip(&["route", "add", "239.0.0.0/8", "dev", "vb"]);
        }
        session.start(&session.sdp, &["--pace", "none"]).wait().well();
        session
    }

    /// Starts a receiver and returns when it listens.
    pub fn listen(&self, command: Command) -> Running {
        let mut receiver = self.krtp.spawn(command);
        wait_for("listening receiver", || {
            assert!(!receiver.has_ended(), "the receiver ended: {}", receiver.stderr());
            self.is_awaited().then_some(())
        });
        receiver
    }

    /// Whether somebody in the receiver's namespace listens to the destination.
    fn is_awaited(&self) -> bool {
        let lists = |table: &str, column: usize, entry: &str| {
            let path = format!("/proc/thread-self/net/{table}");
            let table = self.net.b.inside(|| fs::read_to_string(path).expect("part of every kernel"));
            table
                .lines()
                .any(|line| line.split_whitespace().nth(column).is_some_and(|word| word.ends_with(entry)))
        };
        // Addresses are printed as numbers of the host, ports as they are.
        let port = format!(":{:04X}", self.to.port());
        let joined = match self.to.ip() {
            IpAddr::V4(group) if group.is_multicast() => {
                lists("igmp", 0, &format!("{:08X}", u32::from_ne_bytes(group.octets())))
            }
            _ => true,
        };
        joined && (lists("udp", 1, &port) || lists("udp6", 1, &port))
    }

    /// Plays the stream at its own rate, described as before.
    pub fn play(&self, more: &[&str]) -> Running {
        let again = self.krtp.directory().join("again.sdp");
        let sender = self.start(&again, &[&["--pace", "pcr"], more].concat());
        let media = |path| -> Option<Vec<String>> {
            let text = fs::read_to_string(path).ok()?;
            let lines = text.lines().map(str::to_owned).filter(|line| !line.starts_with("o="));
            text.ends_with('\n').then(|| lines.collect())
        };
        let described = wait_for("session description", || media(&again));
        assert_eq!(Some(described), media(&self.sdp), "all but the session's number");
        sender
    }

    fn start(&self, sdp: &std::path::Path, more: &[&str]) -> Running {
        let to = self.to.to_string();
        let file = self.file.to_str().expect("a path of letters");
        let sdp = sdp.to_str().expect("a path of letters");
        let arguments = ["stream", file, "--to", &to, "--iface", "va", "--engine", self.engine, "--sdp", sdp];
        self.krtp.start(&self.net.a, &[&arguments, &self.more[..], more].concat())
    }
}

/// Compares hashes of frames; what differs first is said, not hundreds of hashes.
#[track_caller]
pub fn assert_same(what: &str, received: &[String], direct: &[String]) {
    let differs = received.iter().zip(direct).position(|(received, direct)| received != direct);
    assert_eq!(differs, None, "{what}: the first that differs, of {} ({})", received.len(), direct.len());
    assert_eq!(received.len(), direct.len(), "{what}: how many");
}
