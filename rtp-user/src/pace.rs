//! How late packets were handed over, and rates for people. Pure: time is an
//! argument.

/// A packet that is handed over later than this after it was due is late,
/// nanoseconds.
pub const LATE: u64 = 10_000_000;
/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the media's own clock says: PCRs, or samples.
    Pcr,
    /// As fast as the interface takes it.
    None,
    /// Payload bits per second.
    Bits(u64),
}

/// When packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// As fast as the interface takes them.
    None,
    /// As they are sent, a few at a time.
    Bursts {
        /// At most so many together.
        packets: usize,
        /// And no more than are due within so many nanoseconds.
        span: u64,
    },
    /// At their departure times, which the interface's qdisc keeps.
    Ahead {
        /// How long before they leave they are handed over at most, nanoseconds.
        time: u64,
        /// How many may wait in the qdisc.
        packets: u64,
    },
}

/// What becomes of a stream that cannot be kept in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLate {
    /// Leave out what is late, and go on in time.
    Drop,
    /// Go on where it is: all that is to come is later by as much.
    #[default]
    Shift,
    /// End the stream with an error.
    Fail,
}

/// How late a flow's packets were handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Lateness {
    /// Packets that were due at a time.
    pub packets: u64,
    /// Of these, handed over more than 10 ms late.
    pub late: u64,
    /// The latest, nanoseconds.
    pub worst_ns: u64,
    /// Times that the sender woke when a packet should have left before.
    pub underruns: u64,
    /// Packets left out because they were too late (`--on-late drop`).
    pub dropped: u64,
    /// How far the timeline was moved because packets were too late
    /// (`--on-late shift`), nanoseconds in all.
    pub shifted_ns: u64,
}

impl Lateness {
    /// Notes `packets` that were due at `due` and are handed over at `now`,
    /// nanoseconds of one clock.
    pub fn note(&mut self, packets: u64, due: u64, now: u64) {
        let late = now.saturating_sub(due);
        self.packets += packets;
        if late > LATE {
            self.late += packets;
        }
        self.worst_ns = self.worst_ns.max(late);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            late: self.late + other.late,
            worst_ns: self.worst_ns.max(other.worst_ns),
            underruns: self.underruns + other.underruns,
            dropped: self.dropped + other.dropped,
            shifted_ns: self.shifted_ns.max(other.shifted_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lateness;

    const MS: u64 = 1_000_000;

    #[test]
    fn lateness_counts_and_keeps_the_worst() {
        let mut lateness = Lateness::default();
        lateness.note(7, 5 * MS, 4 * MS);
        lateness.note(7, 5 * MS, 15 * MS);
        lateness.note(2, 5 * MS, 25 * MS);
        assert_eq!((lateness.packets, lateness.late, lateness.worst_ns), (16, 2, 20 * MS));
    }

    #[test]
    fn two_flows_are_as_late_as_the_later() {
        let one = Lateness { packets: 5, late: 1, worst_ns: 9, underruns: 1, ..Lateness::default() };
        let other = Lateness { packets: 3, worst_ns: 20, dropped: 4, shifted_ns: 6, ..Lateness::default() };
        let both = Lateness { packets: 8, late: 1, worst_ns: 20, underruns: 1, dropped: 4, shifted_ns: 6 };
        assert_eq!(one.and(other), both);
    }
}
