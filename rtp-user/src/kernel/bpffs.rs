//! The BPF file system that pins live in: mounted where there is none, taken away again where it was our making.

use super::pin_error::{BPFFS, PinError};
use std::fs;

/// What a mount of ours calls its source, by which we know it again.
const OURS: &str = "krtp";
/// `BPF_FS_MAGIC` (linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Sees to it that there is a BPF file system, and one that lasts.
pub fn mount(interface: &str) -> Result<(), PinError> {
    if is_bpffs() {
        return Ok(());
    }
    if mounts_end_with_us() {
        return Err(PinError::Private(interface.to_owned()));
    }
    fs::create_dir_all(BPFFS).map_err(PinError::Mount)?;
    rustix::mount::mount(OURS, BPFFS, "bpf", rustix::mount::MountFlags::empty(), None)
        .map_err(|error| PinError::Mount(error.into()))
}

/// Takes away a BPF file system that we mounted and nobody else uses: pins go
/// with it.
pub fn unmount() {
    // mountinfo: …, mount point, …, "-", type, source, … (proc_pid_mountinfo(5)).
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut of_bpffs = mounts.lines().filter(|line| line.split(' ').nth(4) == Some(BPFFS));
    let is_ours = of_bpffs.next_back().is_some_and(|line| line.contains(&format!(" - bpf {OURS} ")));
    let names = || fs::read_dir(BPFFS).into_iter().flatten().flatten().map(|entry| entry.file_name());
    // The kernel's own iterators are in each of them (BPF_PRELOAD).
    if is_ours && names().all(|name| name == "maps.debug" || name == "progs.debug") {
        let _ = rustix::mount::unmount(BPFFS, rustix::mount::UnmountFlags::empty());
    }
}

/// Whether a BPF file system is mounted where pins go.
pub fn is_bpffs() -> bool {
    rustix::fs::statfs(BPFFS).is_ok_and(|stat| stat.f_type == BPF_FS_MAGIC)
}

/// Whether our mount namespace is not our parent's: what we mount in it goes
/// with us. (A shell inside such a namespace keeps it for as long as it runs.)
fn mounts_end_with_us() -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let parent = rustix::process::getppid().and_then(|parent| of(&parent.as_raw_nonzero().to_string()));
    parent.is_some_and(|parent| Some(parent) != of("self"))
}
