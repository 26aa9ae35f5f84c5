//! CPU time of this process.

use anyhow::Context;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    },
    unistd::Pid,
};
use std::time::Duration;

/// Stays on one CPU: a move between CPUs leaves warm caches behind, and on a
/// veth pair it can reorder packets.
pub fn stay() -> anyhow::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("asking which CPUs may be used")?;
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut set = CpuSet::new();
    set.set(last.context("no CPU may be used")?)?;
    sched_setaffinity(this, &set).context("staying on one CPU")
}

/// CPU time that this process took so far, user and system. The kernel's work
/// for a packet is in it: an `ifb` is done with a packet within the system call
/// that sent it.
fn spent() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Duration::from_micros(micros.cast_unsigned()))
}

/// CPU time per packet of `work`, which sends `packets`; nanoseconds.
pub fn per_packet(packets: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before = spent()?;
    work()?;
    Ok(spent()?.saturating_sub(before).as_secs_f64() * 1e9 / f64::from(packets))
}

#[cfg(test)]
mod tests {
    use super::{per_packet, spent};
    use std::time::Duration;

    #[test]
    fn work_costs_what_it_takes() {
        let long = Duration::from_millis(20);
        let begin = spent().expect("getrusage");
        let cost = per_packet(10, || {
            while spent()? < begin + long {}
            Ok(())
        });
        assert!(cost.expect("getrusage") > 1e6);
    }
}
