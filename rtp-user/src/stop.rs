//! A word to the sender thread that it is to stop, which also wakes it.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

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

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Sleeps until `deadline`, or until the end is asked for: then `false`.
    pub fn sleep_until(&self, deadline: Instant) -> bool {
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
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
    use std::{
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn a_stop_ends_a_long_sleep() {
        let stop = Stop::default();
        let sleeper = thread::spawn({
            let stop = stop.clone();
            move || stop.sleep_until(Instant::now() + Duration::from_mins(10))
        });
        stop.set();
        assert!(!sleeper.join().expect("it does not panic"));
    }

    #[test]
    fn a_sleep_lasts_until_its_deadline() {
        let deadline = Instant::now() + Duration::from_millis(5);
        assert!(Stop::default().sleep_until(deadline));
        assert!(Instant::now() >= deadline);
    }
}
