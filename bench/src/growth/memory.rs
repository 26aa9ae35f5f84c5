//! What a flow takes of memory: the program's maps, what the kernel keeps of its socket, and what the process does.

use anyhow::Context;
use aya::maps::MapData;
use serde::Serialize;
use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    thread,
    time::{Duration, Instant},
};

/// Octets for each flow.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Which engine.
    pub engine: &'static str,
    /// Flows that were opened to find it out.
    pub flows: usize,
    /// Of the program's maps.
    pub maps: f64,
    /// Of the kernel's other objects (slab): socket, file, dentry, the socket's storage.
    pub kernel: f64,
    /// Of the process, without files that it has mapped.
    pub process: f64,
    /// Of the process's page tables, which are the kernel's: a file is mapped only to fetch through.
    pub page_tables: f64,
}

/// What there is at a time, octets.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    slab: u64,
    process: u64,
    page_tables: u64,
}

/// How long what was closed may take to be freed, which the kernel does when nobody can be using it (RCU).
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks that are to be alike.
const PAUSE: Duration = Duration::from_millis(100);
/// Octets by which they may differ.
const ALIKE: u64 = 256 << 10;

impl Now {
    /// Looks until things have settled.
    pub fn look() -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Self::at_once()?;
        loop {
            thread::sleep(PAUSE);
            let now = Self::at_once()?;
            if now.slab.abs_diff(before.slab) < ALIKE || Instant::now() > deadline {
                return Ok(now);
            }
            before = now;
        }
    }

    fn at_once() -> anyhow::Result<Self> {
        let [slabs, process] = ["/proc/slabinfo", "/proc/self/status"].map(fs::read_to_string);
        let (slabs, process) = (slabs.context("/proc/slabinfo")?, process.context("/proc/self/status")?);
        let octets = |name| {
            let kilobytes = number(&process, name);
            kilobytes.map(|all| all * 1024).with_context(|| format!("/proc/self/status has no {name}"))
        };
        Ok(Self { slab: in_use(&slabs), process: octets("RssAnon")?, page_tables: octets("VmPTE")? })
    }

    /// What each of `flows` flows took since.
    pub fn since(self, engine: &'static str, flows: usize, maps: u64) -> anyhow::Result<Memory> {
        let now = Self::look()?;
        let each = |octets: u64| octets as f64 / flows as f64;
        Ok(Memory {
            engine,
            flows,
            maps: each(maps),
            kernel: each(now.slab.saturating_sub(self.slab)),
            process: each(now.process.saturating_sub(self.process)),
            page_tables: each(now.page_tables.saturating_sub(self.page_tables)),
        })
    }
}

/// Octets that a map takes, as the kernel counts them.
pub fn of_map(map: &MapData) -> anyhow::Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    let info = fs::read_to_string(&path).with_context(|| path.clone())?;
    number(&info, "memlock").with_context(|| format!("{path} does not say how much it takes"))
}

/// Octets of all objects in use: the second and the fourth field of each line (slabinfo(5)). What is free in a slab is
/// not a flow's.
fn in_use(slabs: &str) -> u64 {
    let octets = |line: &str| {
        let mut fields = line.split_whitespace().skip(1).map_while(|field| field.parse::<u64>().ok());
        let (objects, _all, size) = (fields.next()?, fields.next()?, fields.next()?);
        Some(objects * size)
    };
    slabs.lines().filter_map(octets).sum()
}

/// The number behind `name` and a colon.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{in_use, number};

    #[test]
    fn objects_in_use_are_counted_by_their_size() {
        let slabs = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab>\n\
                     UDP 10 32 1024 16 4 : tunables 0 0 0\nfilp 3 5 100 1 1 : tunables 0 0 0\n";
        assert_eq!(in_use(slabs), 10 * 1024 + 3 * 100);
    }

    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let text = "VmPTEX:  1 kB\nVmPTE:   4567 kB\nmemlock:\t89\n";
        for (name, expected) in [("VmPTE", Some(4567)), ("memlock", Some(89)), ("VmPT", None), ("x", None)] {
            assert_eq!(number(text, name), expected, "{name}");
        }
    }
}
