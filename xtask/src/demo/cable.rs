//! Two network namespaces and a veth pair between them, gone when dropped.

use crate::process;
use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{ffi::OsStr, fs, os::fd::AsFd, path::Path, process::Command, thread};

/// Beginning of the namespaces' names; the process id and the end's letter follow.
const PREFIX: &str = "krtp-demo-";

/// The sender's address. 198.18.0.0/15 is for tests between networks (RFC 2544): nobody's route is touched.
pub const SENDER: &str = "198.18.0.1";
/// The receiver's address.
pub const RECEIVER: &str = "198.18.0.2";

/// One end of the cable.
#[derive(Debug)]
pub struct Namespace(String);

/// Both ends.
#[derive(Debug)]
pub struct Cable {
    /// Where the sender runs.
    pub a: Namespace,
    /// Where the receiver listens.
    pub b: Namespace,
}

impl Cable {
    /// Lays it. It carries at once: a veth pair has no link to negotiate.
    pub fn lay() -> Result<Self> {
        remove_orphans();
        let cable = Self { a: Namespace::make('a')?, b: Namespace::make('b')? };
        let (a, b) = (cable.a.name(), cable.b.name());
        ip(&["link", "add", "veth0", "netns", a, "type", "veth", "peer", "name", "veth0", "netns", b])?;
        cable.a.configure(SENDER)?;
        cable.b.configure(RECEIVER)?;
        Ok(cable)
    }
}

impl Namespace {
    fn make(end: char) -> Result<Self> {
        let name = format!("{PREFIX}{}-{end}", std::process::id());
        ip(&["netns", "add", &name])?;
        Ok(Self(name))
    }

    /// Gives our end its address, and turns it on.
    fn configure(&self, address: &str) -> Result<()> {
        let address = format!("{address}/24");
        let steps: [&[&str]; 3] = [
            &["address", "add", &address, "dev", "veth0"],
            &["link", "set", "lo", "up"],
            &["link", "set", "veth0", "up"],
        ];
        steps.iter().try_for_each(|step| process::output(self.command("ip").args(*step)).map(drop))
    }

    /// Its name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// `program`, to be run inside. `ip netns exec` would give it another `/sys`, without the BPF file system.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.0)).arg("--").arg(program);
        command
    }

    /// Calls `make` inside. What it opens there (sockets, `/proc/thread-self/net`) stays there.
    pub fn inside<T: Send>(&self, make: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let enter = || {
            let path = format!("/run/netns/{}", self.0);
            let namespace = fs::File::open(&path).with_context(|| format!("cannot open {path}"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("cannot enter {path}"))?;
            make()
        };
        // A thread of its own, which ends there: ours stays in its namespace.
        thread::scope(|scope| scope.spawn(enter).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.0]) {
            eprintln!("warning: {error:#}");
        }
    }
}

fn ip(arguments: &[&str]) -> Result<String> {
    process::output(Command::new("ip").args(arguments))
}

/// Deletes what a demo left behind that was killed. It may belong to a demo in another process namespace that shares
/// `/run/netns`: nothing that still holds a process is touched.
fn remove_orphans() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let abandoned = owner(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if abandoned && ip(&["netns", "pids", &name]).is_ok_and(|pids| pids.trim().is_empty()) {
            drop(Namespace(name));
        }
    }
}

/// The process that made the namespace, when a demo did.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?
        .strip_suffix("-a")
        .or_else(|| name.strip_prefix(PREFIX)?.strip_suffix("-b"))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_demo_s_namespaces_have_an_owner() {
        for (name, expected) in [
            ("krtp-demo-4711-a", Some(4711)),
            ("krtp-demo-4711-b", Some(4711)),
            ("krtp-demo-4711", None),
            ("krtp-demo--a", None),
            ("krtp-test-4711-a", None),
            ("blue", None),
        ] {
            assert_eq!(owner(name), expected, "{name}");
        }
    }
}
