//! Which processor uses which of an interface's queues.

use anyhow::Context;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use std::{fs, thread};

/// Gives queue 0 to processor 0, and so on (XPS, Documentation/networking/scaling.rst).
pub fn one_for_each_processor(interface: &str, queues: u32) -> anyhow::Result<()> {
    // sysfs shows the interfaces of the network namespace that it was mounted from: a thread mounts one for itself.
    let there = || -> anyhow::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS).context("a mount namespace")?;
        let (none, sysfs) = (None::<&str>, Some("sysfs"));
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("a private mount")?;
        mount(sysfs, "/sys", sysfs, MsFlags::empty(), none).context("mounting sysfs")?;
        for queue in 0..queues {
            let path = format!("/sys/class/net/{interface}/queues/tx-{queue}/xps_cpus");
            fs::write(&path, format!("{:x}", 1_u64 << queue)).context(path)?;
        }
        Ok(())
    };
    thread::scope(|scope| scope.spawn(there).join().expect("the thread there does not panic"))
}
