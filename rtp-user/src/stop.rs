//! A word to the sender thread that it is to stop, which also wakes it.

use crate::monotonic::now;
use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Is told how much of a long work is done and how much there is, again and
/// again; `false`: it is given up.
pub type GoOn<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// Shared by all who may stop a stream, and the stream.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Stop {
    /// Asks for the end.
    pub fn set(&self) {
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.set.store(true, Ordering::Release);
        self.0.wake.notify_all();
    }

    /// Asks for the end at the first SIGINT or SIGTERM from now on; none of them
    /// ends the process any more. Waits for them in a thread of its own: who calls
    /// this may be busy for long before it looks at anything else.
    pub fn at_signals(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupted, mut terminated) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let stop = self.clone();
        let wait = async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            stop.set();
        };
        thread::Builder::new().name("krtp-signals".into()).spawn(move || runtime.block_on(wait))?;
        Ok(())
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Sleeps until `deadline` (`CLOCK_MONOTONIC`, ns), or until the end is asked
    /// for: then `false`.
    pub fn sleep_until(&self, deadline: u64) -> bool {
        if now() >= deadline {
            return !self.is_set();
        }
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = Duration::from_nanos(deadline.saturating_sub(now()));
            if left.is_zero() {
                return true;
            }
            guard = self.0.wake.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;
    use crate::monotonic::now;
    use std::thread;

    #[test]
    fn a_stop_ends_a_long_sleep() {
        let stop = Stop::default();
        let sleeper = thread::spawn({
            let stop = stop.clone();
            move || stop.sleep_until(now() + 600_000_000_000)
        });
        stop.set();
        assert!(!sleeper.join().expect("it does not panic"));
    }

    #[test]
    fn a_sleep_lasts_until_its_deadline() {
        let deadline = now() + 5_000_000;
        assert!(Stop::default().sleep_until(deadline));
        assert!(now() >= deadline);
    }
}
