//! Sequence numbers as RFC 3550 A.1 extends them, without its probation, and
//! with a window that tells a packet that came twice from one that came late.

use bytemuck::{Pod, Zeroable};

/// A gap of this many packets is no loss any more (RFC 3550 A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// Nor is a packet late by as many (RFC 3550 A.1).
pub const MAX_MISORDER: u16 = 100;
/// How many packets back it is known which of them came.
pub const WINDOW: u16 = 64;
/// Numbers begin one cycle up, so that one may come before the first.
const CYCLE: u64 = 1 << 16;

/// What a packet's sequence number says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of its stream.
    First,
    /// Behind the highest so far, with or without a gap.
    Next,
    /// Before the highest, and not seen yet.
    Late,
    /// Seen already.
    Duplicate,
    /// Far from all others. One that follows it makes a [`Arrival::Restart`].
    Stray,
    /// The second in a row far from all others: the sender began anew.
    Restart,
}

/// The sequence numbers of one stream. All zero before its first packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Sequence {
    /// Highest extended number; its low 16 bits are the packet's.
    pub highest: u64,
    /// Lowest extended number since the last restart.
    pub base: u64,
    /// Bit n: the packet n before the highest was seen.
    pub seen: u64,
    /// Packets expected before the last restart.
    pub expected_before: u64,
    /// Different packets that came.
    pub distinct: u64,
    /// Packets that came behind one with a higher number.
    pub late: u64,
    /// Packets that came again, within [`WINDOW`].
    pub duplicates: u64,
    /// Packets far from all others that nothing followed.
    pub strays: u64,
    /// How often the sender began anew.
    pub restarts: u64,
    /// The number after the last stray's, with bit 16 set; zero: none.
    pub after_stray: u32,
    /// Zero.
    pub reserved: u32,
}

impl Sequence {
    /// Takes the next packet's number.
    #[inline(always)]
    pub const fn arrive(&mut self, number: u16) -> Arrival {
        if self.highest == 0 {
            self.highest = CYCLE + number as u64;
            self.base = self.highest;
            self.seen = 1;
            self.distinct = 1;
            return Arrival::First;
        }
        let ahead = number.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.advance(ahead)
        } else if behind < MAX_MISORDER {
            self.look_back(behind)
        } else {
            self.jump(number)
        }
    }

    #[inline(always)]
    const fn advance(&mut self, ahead: u16) -> Arrival {
        self.highest += ahead as u64;
        self.seen = if ahead < WINDOW { self.seen << (ahead & 63) | 1 } else { 1 };
        self.distinct += 1;
        Arrival::Next
    }

    #[inline(always)]
    const fn look_back(&mut self, behind: u16) -> Arrival {
        if behind < WINDOW {
            let bit = 1 << (behind & 63);
            if self.seen & bit != 0 {
                self.duplicates += 1;
                return Arrival::Duplicate;
            }
            self.seen |= bit;
        }
        let number = self.highest - behind as u64;
        if number < self.base {
            self.base = number;
        }
        self.distinct += 1;
        self.late += 1;
        Arrival::Late
    }

    #[inline(always)]
    const fn jump(&mut self, number: u16) -> Arrival {
        if self.after_stray != CYCLE as u32 | number as u32 {
            self.after_stray = CYCLE as u32 | number.wrapping_add(1) as u32;
            self.strays += 1;
            return Arrival::Stray;
        }
        self.expected_before += self.highest - self.base + 1;
        self.highest = CYCLE + number as u64;
        self.base = self.highest - 1;
        self.seen = 0b11;
        self.strays -= 1;
        self.distinct += 2;
        self.restarts += 1;
        self.after_stray = 0;
        Arrival::Restart
    }

    /// Packets that the numbers say were sent.
    pub const fn expected(&self) -> u64 {
        if self.highest == 0 { 0 } else { self.expected_before + (self.highest - self.base + 1) }
    }

    /// Packets that did not come (or have not yet).
    pub const fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.distinct)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Arrival, MAX_DROPOUT, Sequence, WINDOW};
    use proptest::prelude::*;
    use std::{collections::BTreeSet, vec::Vec};

    /// Packets as they were sent are numbered from `first` on; a network that
    /// loses, doubles and holds up decides what comes when.
    fn through_a_network() -> impl Strategy<Value = (u16, Vec<u64>)> {
        let fate = prop_oneof![
            12 => Just(Vec::new()),
            1 => Just(std::vec![u64::MAX]),
            2 => prop::collection::vec(0u64..60, 1..3),
        ];
        (any::<u16>(), prop::collection::vec(fate, 1..400)).prop_map(|(first, fates)| {
            let mut arrivals = Vec::new();
            for (number, delays) in (0u64..).zip(fates) {
                match *delays {
                    [] => arrivals.push((number * 2, number)),
                    [u64::MAX] => {}
                    // Never so long that the window ends: odd places are between the punctual ones.
                    _ => arrivals.extend(delays.iter().map(|delay| ((number + delay / 2) * 2 + 1, number))),
                }
            }
            arrivals.sort_unstable();
            (first, arrivals.into_iter().map(|(_, number)| number).collect())
        })
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_set((first, arrivals) in through_a_network()) {
            let mut sequence = Sequence::default();
            let (mut came, mut duplicates, mut late) = (BTreeSet::new(), 0, 0);
            for number in arrivals {
                let highest = came.last().copied();
                if !came.insert(number) {
                    duplicates += 1;
                } else if highest.is_some_and(|highest| number < highest) {
                    late += 1;
                }
                sequence.arrive(first.wrapping_add(number as u16));
            }
            let range = came.first().zip(came.last()).map_or(0, |(low, high)| high - low + 1);
            prop_assert_eq!(sequence.expected(), range);
            prop_assert_eq!(sequence.lost(), range - came.len() as u64);
            prop_assert_eq!(sequence.duplicates, duplicates);
            prop_assert_eq!(sequence.late, late);
            prop_assert_eq!((sequence.strays, sequence.restarts), (0, 0));
        }
    }

    #[test]
    fn each_number_is_judged() {
        use Arrival::{Duplicate, First, Late, Next, Restart, Stray};
        type Case<'a> = (&'a str, &'a [(u16, Arrival)], u64);
        let cases: &[Case] = &[
            ("in order", &[(5, First), (6, Next), (7, Next)], 0),
            ("over the wrap", &[(65_534, First), (65_535, Next), (0, Next), (1, Next)], 0),
            ("a loss at the wrap", &[(65_535, First), (1, Next)], 1),
            ("twice", &[(5, First), (5, Duplicate), (6, Next), (5, Duplicate)], 0),
            ("late", &[(5, First), (7, Next), (6, Late), (6, Duplicate)], 0),
            ("before the first", &[(0, First), (65_535, Late), (65_535, Duplicate)], 0),
            ("a long gap", &[(0, First), (MAX_DROPOUT - 1, Next)], u64::from(MAX_DROPOUT) - 2),
            ("too long a gap", &[(0, First), (MAX_DROPOUT, Stray), (1, Next)], 0),
            ("a new beginning", &[(0, First), (40_000, Stray), (40_001, Restart), (40_003, Next)], 1),
            ("two strays", &[(0, First), (40_000, Stray), (50_000, Stray), (1, Next)], 0),
            ("later than the window", &[(0, First), (2, Next), (1 + WINDOW + 1, Next), (1, Late)], 63),
        ];
        for (case, packets, lost) in cases {
            let mut sequence = Sequence::default();
            for (number, arrival) in *packets {
                assert_eq!(sequence.arrive(*number), *arrival, "{case}: packet {number}");
            }
            assert_eq!(sequence.lost(), *lost, "{case}");
        }
    }
}
