//! Where it is measured.

use anyhow::Context;
use nix::sys::utsname::uname;
use serde_json::{Map, Value, json};
use std::fs;

/// This machine and its kernel, as `paths.json` has them.
pub fn here() -> anyhow::Result<Value> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    Ok(json!({
        "kernel": uname()?.release().to_string_lossy(),
        "cpu": cpu.map_or(std::env::consts::ARCH, |(_, name)| name),
        // Not those that this process keeps to.
        "cores": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "memory_bytes": total(&memory).context("/proc/meminfo")?,
        "mitigations": mitigations(),
        "krtp": env!("CARGO_PKG_VERSION"),
    }))
}

/// Octets of memory.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// What the kernel does about the processor's flaws; empty where it does not say.
fn mitigations() -> Map<String, Value> {
    let files = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let mut all: Vec<(String, Value)> = files
        .filter_map(|file| {
            let state = fs::read_to_string(file.path()).ok()?;
            Some((file.file_name().to_string_lossy().into_owned(), json!(state.trim())))
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{here, total};

    #[test]
    fn memory_is_in_octets() {
        assert_eq!(total("MemTotal:        2000 kB\nMemFree: 1 kB\n"), Some(2_048_000));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn this_machine_is_some_machine() {
        let machine = here().expect("a machine");
        assert!(machine["cores"].as_u64() > Some(0) && machine["memory_bytes"].as_u64() > Some(1 << 20));
    }
}
