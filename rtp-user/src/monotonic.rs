//! The clock that departure times are told on.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, nanoseconds.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// A question to the kernel that is not asked with every batch: where a stream's batches are small, an answer costs as
/// much as a packet.
#[derive(Debug, Default)]
pub struct Seldom {
    next: u64,
}

impl Seldom {
    /// From one to the next, nanoseconds.
    pub const EVERY: u64 = 50_000_000;

    /// Whether it is to be asked `now`; then it is taken to be. At first it is.
    pub fn is_due(&mut self, now: u64) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + Self::EVERY;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;

    #[test]
    fn it_is_asked_at_first_and_then_seldom() {
        let mut seldom = Seldom::default();
        let asked = (1000..1010).map(|now| now * Seldom::EVERY / 4).filter(|now| seldom.is_due(*now));
        assert_eq!(asked.map(|now| now * 4 / Seldom::EVERY).collect::<Vec<_>>(), [1000, 1004, 1008]);
    }
}
