//! When packets are due, and how late they were. Pure: time is an argument.

use rtp_common::timeline::{self, Piece};
use std::time::Duration;

/// Ticks of the system clock of ISO/IEC 13818-1 per second.
pub const SYSTEM_CLOCK: u64 = 27_000_000;

/// Packets that may leave together where departure times are kept by nobody.
const BURST: u64 = 7;
/// At high rates a burst is as many packets as are due in this time.
const BURST_TIME: Duration = Duration::from_millis(1);
/// A batch that leaves later than this is called late.
const LATE: Duration = Duration::from_millis(10);

/// How long octets of the media last: `octets` of them `ticks` of 27 MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    octets: u64,
    ticks: u64,
}

impl Rate {
    /// `octets` octets last `ticks` ticks of the 27 MHz clock. `None` if either
    /// is zero.
    pub fn new(octets: u64, ticks: u64) -> Option<Self> {
        (octets > 0 && ticks > 0).then_some(Self { octets, ticks })
    }

    /// `bits` per second.
    pub fn from_bits(bits: u64) -> Option<Self> {
        Self::new(bits, 8 * SYSTEM_CLOCK)
    }

    /// Bits per second, rounded.
    pub fn bits(self) -> u64 {
        let bits = u128::from(self.octets) * 8 * u128::from(SYSTEM_CLOCK) / u128::from(self.ticks);
        u64::try_from(bits).unwrap_or(u64::MAX)
    }

    /// How long `octets` last, in units of which `per_second` make a second,
    /// rounded down.
    fn units(self, octets: u128, per_second: u64) -> u128 {
        octets * u128::from(self.ticks) * u128::from(per_second)
            / (u128::from(self.octets) * u128::from(SYSTEM_CLOCK))
    }

    /// How long `octets` last.
    pub fn duration(self, octets: u128) -> Duration {
        Duration::from_nanos(u64::try_from(self.units(octets, 1_000_000_000)).unwrap_or(u64::MAX))
    }

    /// The timeline piece of the play whose first packet is number `first` of
    /// the flow, after `played` octets; `timestamp` is that of the flow's first
    /// packet. `None` if a packet lasts 2^32 ticks or more.
    pub fn piece(
        self,
        first: u64,
        played: u128,
        timestamp: u32,
        clock_rate: u32,
        payload: u32,
    ) -> Option<Piece> {
        let numerator = u128::from(payload) * u128::from(self.ticks) * u128::from(clock_rate);
        let denominator = u128::from(self.octets) * u128::from(SYSTEM_CLOCK);
        let (step, step_fraction) = timeline::step(numerator, denominator)?;
        // Modulo 2^32 by definition of the timestamp.
        let ahead = self.units(played, u64::from(clock_rate)) as u32;
        Some(Piece {
            first,
            timestamp: timestamp.wrapping_add(ahead),
            step,
            step_fraction,
            ..Piece::default()
        })
    }

    /// Packets of `payload` octets that may leave together.
    pub fn burst(self, payload: u32) -> usize {
        let per_packet = self.duration(payload.into()).as_nanos().max(1);
        let due = BURST_TIME.as_nanos() / per_packet;
        usize::try_from(due.max(BURST.into())).unwrap_or(usize::MAX)
    }
}

/// How late batches left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lateness {
    /// Batches that were due at a time.
    pub batches: u64,
    /// Of these, later than 10 ms.
    pub late: u64,
    /// The latest, nanoseconds.
    pub worst_ns: u64,
    /// On average, nanoseconds.
    pub mean_ns: u64,
    #[serde(skip)]
    sum_ns: u128,
}

impl Lateness {
    /// Notes a batch that was due at `due` and leaves at `now`, both since the start.
    pub fn note(&mut self, due: Duration, now: Duration) {
        let late = now.saturating_sub(due);
        let nanos = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        self.batches += 1;
        self.late += u64::from(late > LATE);
        self.worst_ns = self.worst_ns.max(nanos);
        self.sum_ns += u128::from(nanos);
        self.mean_ns = u64::try_from(self.sum_ns / u128::from(self.batches)).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::{Lateness, Rate, SYSTEM_CLOCK};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_bit_rate_is_a_rate() {
        let rate = Rate::from_bits(4_000_000).expect("not zero");
        assert_eq!(rate.bits(), 4_000_000);
        assert_eq!(rate.duration(500_000), Duration::from_secs(1));
        assert_eq!(Rate::from_bits(0), None);
    }

    #[test]
    fn a_burst_grows_with_the_rate() {
        for (bits, burst) in [(1_000_000, 7), (70_000_000, 7), (1_000_000_000, 94)] {
            assert_eq!(Rate::from_bits(bits).expect("not zero").burst(1316), burst, "{bits} b/s");
        }
    }

    #[test]
    fn lateness_counts_and_keeps_the_worst() {
        let mut lateness = Lateness::default();
        lateness.note(Duration::from_millis(5), Duration::from_millis(4));
        lateness.note(Duration::from_millis(5), Duration::from_millis(25));
        assert_eq!((lateness.batches, lateness.late), (2, 1));
        assert_eq!((lateness.worst_ns, lateness.mean_ns), (20_000_000, 10_000_000));
    }

    proptest! {
        /// Loop after loop, the timestamp of a play's first packet is the exact
        /// duration of what was played before, so nothing drifts over days.
        #[test]
        fn plays_join_without_drift(
            octets in 188u64..1 << 32,
            ticks in 1u64..27_000_000 * 3600,
            plays in 0u64..10_000,
            timestamp: u32,
        ) {
            let rate = Rate::new(octets, ticks).expect("not zero");
            let played = u128::from(octets) * u128::from(plays);
            if let Some(piece) = rate.piece(77, played, timestamp, 90_000, 1316) {
                let exact = u128::from(ticks) * u128::from(plays) * 90_000 / u128::from(SYSTEM_CLOCK);
                prop_assert_eq!(piece.timestamp(77), timestamp.wrapping_add(exact as u32));
            }
        }
    }
}
