//! Looks whether the machine stands still, on every processor before anything else that runs there.

use super::stalls::{LIMIT, PERIOD, Stall, Stalls};
use anyhow::Context;
use nix::{
    libc,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::mman::{MlockAllFlags, mlockall},
    time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep},
    unistd::Pid,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Room for stalls, so that noting one asks for no memory.
const ROOM: usize = 65_536;
/// Of `SCHED_FIFO`'s 1 to 99 (sched(7)).
const HIGHEST: i32 = 99;

/// A thread for each processor that we may use.
#[derive(Debug)]
pub struct Meter {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<anyhow::Result<Vec<Stall>>>>,
    begun: Instant,
}

impl Meter {
    /// Begins to look. What it cannot be without is missed in [`Meter::finish`].
    pub fn start() -> anyhow::Result<Self> {
        // A page that is fetched when it is touched is a stall of our own.
        mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).context("mlockall")?;
        let allowed = sched_getaffinity(THIS).context("asking which processors may be used")?;
        let processors = (0..CpuSet::count()).filter(|&processor| allowed.is_set(processor).unwrap_or(false));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = |processor| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                go_first(processor)?;
                look(&stop)
            })
        };
        let threads = processors.map(thread).collect();
        Ok(Self { stop, threads, begun: Instant::now() })
    }

    /// What it saw.
    pub fn finish(self) -> anyhow::Result<Stalls> {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut spans = Vec::new();
        for thread in self.threads {
            spans.extend(thread.join().expect("the meter does not panic")?);
        }
        Ok(Stalls::new(spans, seconds))
    }
}

/// The calling thread.
const THIS: Pid = Pid::from_raw(0);

/// Keeps the calling thread on `processor`, where it goes before all other threads.
fn go_first(processor: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(THIS, &set).context("staying on a processor")?;
    let highest = libc::sched_param { sched_priority: HIGHEST };
    // SAFETY: it only reads `highest`, which lives until it returns.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const highest) };
    nix::errno::Errno::result(done).context("SCHED_FIFO")?;
    Ok(())
}

/// Sleeps from one look to the next, and notes when it was woken late.
fn look(stop: &AtomicBool) -> anyhow::Result<Vec<Stall>> {
    let mut stalls = Vec::with_capacity(ROOM);
    let mut looks = Looks::from(now(ClockId::CLOCK_MONOTONIC)?);
    while !stop.load(Ordering::Relaxed) {
        clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &looks.due.into())?;
        if let Some(late) = looks.came(now(ClockId::CLOCK_MONOTONIC)?) {
            // Packets are stamped by the wall clock.
            let to = now(ClockId::CLOCK_REALTIME)?.as_nanos() as u64;
            stalls.push(Stall { from: to - late.as_nanos() as u64, to });
        }
    }
    Ok(stalls)
}

fn now(clock: ClockId) -> nix::Result<Duration> {
    clock_gettime(clock).map(Duration::from)
}

/// When the next look is due.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Looks {
    due: Duration,
}

impl Looks {
    fn from(now: Duration) -> Self {
        Self { due: now + PERIOD }
    }

    /// It came at `now`: how late, if that is a stall. The next one is then due as if all began anew.
    fn came(&mut self, now: Duration) -> Option<Duration> {
        let late = now.saturating_sub(self.due);
        let stall = late > LIMIT;
        *self = if stall { Self::from(now) } else { Self::from(self.due) };
        stall.then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::Looks;
    use std::time::Duration;

    #[test]
    fn a_stall_is_noted_once() {
        let micros = Duration::from_micros;
        let mut looks = Looks::from(Duration::ZERO);
        // When each look came, and how late that is said to be.
        for (came, stall) in [
            (1_050, None),
            (2_900, None),
            (4_999, None),
            (5_000, None),
            (5_100, None),
            (16_000, Some(10_000)),
            (17_010, None),
            (20_100, Some(2_100)),
            (21_100, None),
        ] {
            assert_eq!(looks.came(micros(came)), stall.map(micros), "the look at {came} us");
        }
    }
}
