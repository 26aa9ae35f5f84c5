//! CPU time of this process.

use anyhow::Context;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::{TimeVal, TimeValLike},
    },
    time::ClockId,
    unistd::Pid,
};
use std::time::{Duration, Instant};

/// Stays on one CPU: a move between CPUs leaves warm caches behind, and on a
/// veth pair it can reorder packets.
pub fn stay() -> anyhow::Result<()> {
    stay_on(*allowed()?.last().context("no CPU may be used")?)
}

/// The CPUs that may be used.
pub fn allowed() -> anyhow::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking which CPUs may be used")?;
    Ok((0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect())
}

/// Keeps the calling thread on this one.
pub fn stay_on(cpu: usize) -> anyhow::Result<()> {
    stay_on_any(&[cpu])
}

/// Keeps the calling thread, and those that it starts, on these.
pub fn stay_on_any(cpus: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).context("choosing CPUs")
}

/// CPU time that the calling thread took so far.
pub fn of_this_thread() -> anyhow::Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now().context("CLOCK_THREAD_CPUTIME_ID")?.into())
}

/// Lets `other`, which was started here, run on every CPU again.
pub fn leave(other: Pid) -> anyhow::Result<()> {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        all.set(cpu)?;
    }
    sched_setaffinity(other, &all).context("leaving the measured CPU")
}

/// How often the calling thread slept so far.
pub fn sleeps_of_this_thread() -> anyhow::Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_THREAD).context("getrusage")?.voluntary_context_switches())
}

/// CPU time that this process took so far, user and system. The kernel's work
/// for a packet is in it: an `ifb` is done with a packet within the system call
/// that sent it.
fn spent() -> anyhow::Result<[Duration; 2]> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
    let micros = |time: TimeVal| Duration::from_micros(time.num_microseconds().cast_unsigned());
    Ok([usage.user_time(), usage.system_time()].map(micros))
}

/// What a packet took, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// CPU time in user space. The kernel splits what it knows exactly by what its clock ticks hit.
    pub user: f64,
    /// CPU time in the kernel.
    pub system: f64,
    /// Time.
    pub wall: f64,
}

impl Cost {
    /// User and system.
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// What each packet of `work` took, which sends `packets`.
pub fn cost(packets: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Cost> {
    let (begin, [user, system]) = (Instant::now(), spent()?);
    work()?;
    let [user_then, system_then] = spent()?;
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(packets);
    Ok(Cost {
        user: each(user_then.saturating_sub(user)),
        system: each(system_then.saturating_sub(system)),
        wall: each(begin.elapsed()),
    })
}

/// CPU time per packet of `work`, which sends `packets`; nanoseconds.
pub fn per_packet(packets: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    Ok(cost(packets, work)?.cpu())
}

#[cfg(test)]
mod tests {
    use super::{per_packet, spent};
    use std::time::Duration;

    #[test]
    fn work_costs_what_it_takes() {
        let long = Duration::from_millis(20);
        let sum = || spent().map(|[user, system]| user + system);
        let begin = sum().expect("getrusage");
        let cost = per_packet(10, || {
            while sum()? < begin + long {}
            Ok(())
        });
        assert!(cost.expect("getrusage") > 1e6);
    }
}
