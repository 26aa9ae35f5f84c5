//! What is on a host, to be compared before and after.

use super::{Namespace, wait_for};
use rustix::process::Pid;
use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
};

/// Links, qdiscs, filters and BPF attachments of one namespace, as the tools
/// print them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Vec<String>);

impl State {
    /// What there is now.
    pub fn of(namespace: &Namespace) -> Self {
        let links = namespace.ip(&["-o", "link"]);
        let mut seen = vec![settled(&links), namespace.run("tc", &["qdisc"])];
        for link in links.lines().filter_map(|line| line.split(": ").nth(1)) {
            let name = link.split('@').next().expect("a name before any @");
            for hook in ["ingress", "egress"] {
                seen.push(filters(namespace, name, hook));
            }
        }
        seen.push(namespace.run("bpftool", &["net"]));
        Self(seen)
    }

    /// Waits until it is so again: who cleans up after a killed process needs a moment.
    #[track_caller]
    pub fn wait_for(&self, namespace: &Namespace) {
        wait_for(&format!("return to {self:#?}"), || (Self::of(namespace) == *self).then_some(()));
    }
}

/// The listing without operational states: the kernel brings them up to date a
/// moment later, and the flags say what there is to say.
fn settled(links: &str) -> String {
    let mut words = Vec::new();
    for word in links.split(' ') {
        if words.last() == Some(&"state") {
            words.pop();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

/// An interface without such a hook has no filters there.
fn filters(namespace: &Namespace, interface: &str, hook: &str) -> String {
    let mut command = namespace.command("tc");
    command.args(["filter", "show", "dev", interface, hook]).stderr(Stdio::null());
    String::from_utf8_lossy(&command.output().expect("tc runs").stdout).into_owned()
}

/// Programs, maps and links of the BPF system that a process holds, by kind and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held(BTreeSet<(&'static str, u64)>);

impl Held {
    /// By `pid`, through its open files (proc(5): fdinfo).
    #[track_caller]
    pub fn by(pid: Pid) -> Self {
        let directory = format!("/proc/{}/fdinfo", pid.as_raw_nonzero());
        let mut held = BTreeSet::new();
        for entry in fs::read_dir(&directory).expect("a process of ours").flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            for line in text.lines() {
                for (name, kind) in [("prog_id:", "prog"), ("map_id:", "map"), ("link_id:", "link")] {
                    let id = line.strip_prefix(name).and_then(|id| id.trim().parse().ok());
                    held.extend(id.map(|id| (kind, id)));
                }
            }
        }
        Self(held)
    }

    /// The ids of its maps.
    pub fn maps(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|(kind, _)| *kind == "map").map(|(_, id)| *id)
    }

    /// Its kinds.
    pub fn kinds(&self) -> BTreeSet<&'static str> {
        self.0.iter().map(|(kind, _)| *kind).collect()
    }

    /// Waits until the kernel has none of them any more.
    #[track_caller]
    pub fn wait_until_gone(&self) {
        let gone = || self.0.iter().all(|(kind, id)| !exists(kind, *id)).then_some(());
        wait_for(&format!("end of {:?}", self.0), gone);
    }
}

fn exists(kind: &str, id: u64) -> bool {
    let mut command = Command::new("bpftool");
    command.args([kind, "show", "id", &id.to_string()]);
    command.output().expect("bpftool runs").status.success()
}
