//! What this host can do.

use crate::{
    kernel::{
        bpffs, check_version,
        hang::Hook,
        object::{EGRESS, LoadError, Object},
        pins, qdisc, segmenter,
    },
    net::netlink::{Netlink, NetlinkError},
};
use aya::programs::ProgramError;
use rustix::{process::geteuid, thread::CapabilitySet};
use std::{fs, io::ErrorKind, path::Path};

/// The program's own log of a refusal is long; its end says why.
const LOG_LINES: usize = 12;

/// What was found out.
#[derive(Clone, Debug)]
pub struct Host {
    /// `uname -r`.
    pub release: String,
    /// Why the kernel is too old, if it is.
    pub too_old: Option<String>,
    /// How the program would hang on an interface.
    pub hook: Hook,
    /// Whether krtp runs as root.
    pub root: bool,
    /// The capabilities that the kernel engine lacks.
    pub missing: Vec<&'static str>,
    /// Whether the program loads.
    pub load: Load,
    /// Whether BPF programs are compiled; none: not visible.
    pub jit: Option<bool>,
    /// Whether the kernel describes its types.
    pub btf: bool,
    /// Whether a BPF file system is mounted.
    pub bpffs: bool,
    /// Whether macvlan, which the segmenter is made of, can be had.
    pub macvlan: Support,
    /// Whether fq, which keeps departure times, can be had.
    pub fq: Support,
    /// Interfaces that `krtp attach` attached to; none: not visible.
    pub attached: Option<Vec<String>>,
    /// Segmenters whose process is dead, and qdiscs that nobody has put back.
    pub left_behind: Vec<String>,
    /// This binary.
    pub executable: String,
}

/// What became of loading the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// The verifier took it.
    Loads,
    /// Not tried: kernel or privileges do not allow it anyway.
    NotTried,
    /// Not permitted in spite of the capabilities.
    Barred,
    /// Anything else, in one line, and the end of the verifier's log.
    Refused {
        /// Why.
        why: String,
        /// The log's last lines; empty if there is none.
        log: String,
    },
}

/// Whether the kernel has a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It has it.
    Yes,
    /// It does not.
    No,
    /// Only trying tells.
    Unknown,
}

impl Host {
    /// Looks at this host.
    pub async fn look(netlink: &Netlink) -> Result<Self, NetlinkError> {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let too_old = check_version().err().map(|error| error.to_string());
        let effective =
            rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        let missing = missing(effective);
        let (load, compiled) =
            if too_old.is_some() || !missing.is_empty() { (Load::NotTried, None) } else { load() };
        let has_macvlan = netlink.links().await?.iter().any(|link| link.kind.as_deref() == Some("macvlan"));
        let macvlan = if has_macvlan { Support::Yes } else { module("macvlan", &release) };
        Ok(Self {
            too_old,
            hook: Hook::of_this_kernel(),
            root: geteuid().is_root(),
            missing,
            load,
            jit: compiled.or_else(jit),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            bpffs: bpffs::is_bpffs(),
            macvlan,
            fq: module("sch_fq", &release),
            attached: attached(),
            left_behind: left_behind(netlink).await?,
            executable: std::env::current_exe()
                .map_or_else(|_| "krtp".into(), |path| path.display().to_string()),
            release,
        })
    }
}

/// Segmenters by name, and whose qdisc is not what it was.
async fn left_behind(netlink: &Netlink) -> Result<Vec<String>, NetlinkError> {
    let mut left: Vec<String> =
        segmenter::left_behind(netlink).await?.into_iter().map(|link| link.name).collect();
    // Who may not look there sees none.
    let qdiscs = qdisc::left_behind().unwrap_or_default();
    if !qdiscs.is_empty() {
        let links = netlink.links().await?.into_iter().filter(|link| qdiscs.contains(&link.index));
        left.extend(links.map(|link| format!("the qdisc of {}", link.name)));
    }
    Ok(left)
}

/// What the kernel engine needs and `effective` lacks. Since Linux 5.8
/// `CAP_SYS_ADMIN` stands for `CAP_BPF` as well (`bpf_capable`).
fn missing(effective: CapabilitySet) -> Vec<&'static str> {
    let bpf = CapabilitySet::BPF | CapabilitySet::SYS_ADMIN;
    let mut missing = Vec::new();
    if !effective.intersects(bpf) {
        missing.push("CAP_BPF");
    }
    if !effective.contains(CapabilitySet::NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    missing
}

/// Loads the program for one flow and lets go of it again. Whether it was
/// compiled shows where it loads.
fn load() -> (Load, Option<bool>) {
    let load = match Object::load(1) {
        Ok(mut object) => {
            let compiled = object.program(EGRESS).ok().and_then(|program| program.info().ok());
            return (Load::Loads, compiled.map(|info| info.size_jitted() > 0));
        }
        Err(LoadError::Privilege) => Load::Barred,
        Err(LoadError::Verifier { name, source: ProgramError::LoadError { io_error, verifier_log } }) => {
            let why = format!("the verifier refuses {name}: {io_error}");
            Load::Refused { why, log: last_lines(&verifier_log.to_string(), LOG_LINES) }
        }
        Err(error) => Load::Refused { why: error.to_string(), log: String::new() },
    };
    (load, None)
}

/// The setting, which only the host's own network namespace shows.
fn jit() -> Option<bool> {
    let text = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").ok()?;
    Some(text.trim() != "0")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Where the BPF file system lets us look.
fn attached() -> Option<Vec<String>> {
    match fs::read_dir("/sys/fs/bpf") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        _ => Some(pins::all()),
    }
}

/// Whether the kernel module `name` is there: loaded, built in, or to be loaded
/// when it is needed.
fn module(name: &str, release: &str) -> Support {
    if Path::new("/sys/module").join(name).exists() {
        return Support::Yes;
    }
    let directory = Path::new("/lib/modules").join(release);
    let list = |file| fs::read_to_string(directory.join(file)).ok();
    listed(name, list("modules.builtin").as_deref(), list("modules.dep").as_deref())
}

/// What the lists of built-in and loadable modules say of `name`. A missing
/// list proves nothing.
fn listed(name: &str, builtin: Option<&str>, loadable: Option<&str>) -> Support {
    let file = format!("/{name}.ko");
    // A line of modules.dep: path, colon, what it depends on. The path may end
    // in .ko.xz or the like.
    let names =
        |list: &str| list.lines().any(|line| line.split(':').next().is_some_and(|path| path.contains(&file)));
    match (builtin.map(names), loadable.map(names)) {
        (Some(true), _) | (_, Some(true)) => Support::Yes,
        (Some(false), Some(false)) => Support::No,
        _ => Support::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Support, last_lines, listed, missing};
    use rustix::thread::CapabilitySet;

    #[test]
    fn capabilities_that_are_missing_are_named() {
        let (bpf, net, sys) = (CapabilitySet::BPF, CapabilitySet::NET_ADMIN, CapabilitySet::SYS_ADMIN);
        let none: &[&str] = &[];
        for (case, effective, expected) in [
            ("all that is needed", bpf | net, none),
            ("the administrator's", sys | net, none),
            ("BPF alone", bpf, &["CAP_NET_ADMIN"]),
            ("the network's alone", net, &["CAP_BPF"]),
            ("nothing", CapabilitySet::empty(), &["CAP_BPF", "CAP_NET_ADMIN"]),
        ] {
            assert_eq!(missing(effective), expected, "{case}");
        }
    }

    #[test]
    fn a_module_is_there_when_a_list_names_it() {
        let builtin = "kernel/drivers/net/veth.ko\nkernel/drivers/net/macvlan.ko\n";
        let loadable = "kernel/drivers/net/macvtap.ko.xz: kernel/drivers/net/macvlan.ko.xz\n\
                        kernel/net/sched/sch_fq.ko.xz:\n";
        for (case, name, lists, expected) in [
            ("built in", "macvlan", (Some(builtin), Some(loadable)), Support::Yes),
            ("loadable", "sch_fq", (Some(builtin), Some(loadable)), Support::Yes),
            ("only another's need", "macvlan", (Some(""), Some(loadable)), Support::No),
            ("in neither", "dummy", (Some(builtin), Some(loadable)), Support::No),
            ("half of a name", "vlan", (Some(builtin), Some(loadable)), Support::No),
            ("a list is missing", "macvlan", (None, Some(loadable)), Support::Unknown),
            ("no lists", "macvlan", (None, None), Support::Unknown),
        ] {
            assert_eq!(listed(name, lists.0, lists.1), expected, "{case}");
        }
    }

    #[test]
    fn the_end_of_a_log_says_why() {
        assert_eq!(last_lines("a\nb\n\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\n", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }
}
