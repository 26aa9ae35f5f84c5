//! The timeline: the straight line from packet number to RTP timestamp and to
//! departure time.
//!
//! User space lays a new [`Piece`] when the media's clock bends (a loop, a
//! discontinuity); the program only evaluates the pieces. Steps are fixed
//! point, 32.32 bits, and are always multiplied by the distance from the
//! piece's first packet, never accumulated: the error of any packet is below
//! one tick plus `distance / 2^32` ticks.

use bytemuck::{Pod, Zeroable};

/// One straight piece of a timeline.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Piece {
    /// Number of the first packet this piece is for.
    pub first: u64,
    /// When packet `first` is to leave, nanoseconds of `CLOCK_MONOTONIC`;
    /// zero: at once, and so for all of the piece.
    pub departure: u64,
    /// From packet to packet: nanoseconds, the whole part.
    pub gap: u32,
    /// The same, the fraction in units of 2^-32.
    pub gap_fraction: u32,
    /// RTP timestamp of packet `first`, ticks.
    pub timestamp: u32,
    /// From packet to packet: ticks, the whole part.
    pub step: u32,
    /// The same, the fraction in units of 2^-32.
    pub step_fraction: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Piece>() == 40);

impl Piece {
    /// RTP timestamp of packet `number`.
    #[inline(always)]
    pub const fn timestamp(&self, number: u64) -> u32 {
        let distance = number.wrapping_sub(self.first);
        self.timestamp.wrapping_add(scale(distance, self.step, self.step_fraction) as u32)
    }

    /// When packet `number` is to leave (`CLOCK_MONOTONIC`, ns); zero: at once.
    #[inline(always)]
    pub const fn departure(&self, number: u64) -> u64 {
        if self.departure == 0 {
            return 0;
        }
        let distance = number.wrapping_sub(self.first);
        self.departure.wrapping_add(scale(distance, self.gap, self.gap_fraction))
    }
}

/// `distance × whole.fraction`, rounded down. Exact for distances below 2^32:
/// the caller lays a new piece long before.
#[inline(always)]
const fn scale(distance: u64, whole: u32, fraction: u32) -> u64 {
    let distance = distance & 0xffff_ffff;
    (distance * whole as u64).wrapping_add((distance * fraction as u64) >> 32)
}

/// Which of a flow's two pieces is for packet `number`: the one that begins
/// nearest before it. User space overwrites the older piece while packets of
/// the newer one are on their way.
#[inline(always)]
pub const fn choose(pieces: &[Piece; 2], number: u64) -> &Piece {
    let since_0 = number.wrapping_sub(pieces[0].first);
    let since_1 = number.wrapping_sub(pieces[1].first);
    // A piece that begins after `number` has wrapped round to a huge distance.
    if since_1 < since_0 { &pieces[1] } else { &pieces[0] }
}

/// Lays `piece` over the older of a flow's two pieces; the first piece of all,
/// which begins with packet 0, over both. The newer one stays for packets that
/// are still on their way.
pub fn lay(pieces: &mut [Piece; 2], piece: Piece) {
    if piece.first == 0 {
        *pieces = [piece; 2];
    } else {
        pieces[usize::from(pieces[1].first < pieces[0].first)] = piece;
    }
}

/// `numerator / denominator` as 32.32 fixed point, rounded to nearest: the
/// whole part and the fraction. `None` when the ratio needs more than 32 bits.
pub fn step(numerator: u128, denominator: u128) -> Option<(u32, u32)> {
    if denominator == 0 {
        return None;
    }
    let scaled = numerator.checked_mul(1 << 32)?.checked_add(denominator / 2)? / denominator;
    let scaled = u64::try_from(scaled).ok()?;
    Some(((scaled >> 32) as u32, scaled as u32))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Piece, choose, lay, step};
    use proptest::prelude::*;

    proptest! {
        /// Against exact rational arithmetic: 30 days of any stream up to a
        /// million packets a second and a 27 MHz clock, one tick at most.
        #[test]
        fn timestamps_stay_on_the_exact_line(
            ticks in 1u64..27_000_000,
            packets in 1u64..1_000_000,
            first in 0u64..1 << 40,
            distance in 0u64..(1 << 31),
            timestamp: u32,
        ) {
            let (step, step_fraction) = step(ticks.into(), packets.into()).expect("fits");
            let piece = Piece { first, timestamp, step, step_fraction, ..Piece::default() };
            let exact = u128::from(distance) * u128::from(ticks) / u128::from(packets);
            let expected = timestamp.wrapping_add(exact as u32);
            let error = piece.timestamp(first + distance).wrapping_sub(expected).cast_signed();
            // Rounding of the step: at most distance / 2^33 ticks, below one here.
            prop_assert!((-1..=1).contains(&error), "off by {error} ticks");
        }

        #[test]
        fn timestamps_never_step_back(whole in 0u32..10_000, fraction: u32, number in 0u64..1 << 30) {
            let piece = Piece { step: whole, step_fraction: fraction, ..Piece::default() };
            let ahead = piece.timestamp(number + 1).wrapping_sub(piece.timestamp(number));
            prop_assert!(ahead == whole || ahead == whole + 1);
        }

        #[test]
        fn departures_follow_the_gap(gap in 1u32..1_000_000_000, fraction: u32, distance in 0u64..1 << 31) {
            let piece = Piece { departure: 1 << 40, gap, gap_fraction: fraction, ..Piece::default() };
            let exact = (u128::from(distance) * ((u128::from(gap) << 32) + u128::from(fraction))) >> 32;
            prop_assert_eq!(u128::from(piece.departure(distance)), (1u128 << 40) + exact);
        }
    }

    #[test]
    fn timestamp_wraps_at_32_bits() {
        let piece = Piece { timestamp: u32::MAX, step: 1, ..Piece::default() };
        assert_eq!(piece.timestamp(0), u32::MAX);
        assert_eq!(piece.timestamp(1), 0);
    }

    #[test]
    fn no_departure_means_at_once() {
        let piece = Piece { gap: 1000, ..Piece::default() };
        assert_eq!(piece.departure(5), 0);
    }

    #[test]
    fn the_piece_that_begins_last_before_the_packet_is_chosen() {
        let at = |first| Piece { first, ..Piece::default() };
        for (pieces, number, expected) in [
            ([at(0), at(0)], 5, 0),
            ([at(0), at(100)], 99, 0),
            ([at(0), at(100)], 100, 100),
            ([at(200), at(100)], 199, 100),
            ([at(200), at(100)], 200, 200),
            ([at(200), at(100)], u64::MAX / 4, 200),
        ] {
            assert_eq!(choose(&pieces, number).first, expected, "packet {number}");
        }
    }

    #[test]
    fn the_piece_before_the_newest_is_kept() {
        let at = |first| Piece { first, timestamp: first as u32 + 7, ..Piece::default() };
        let mut pieces = [Piece::default(); 2];
        let mut before = None;
        for first in [0, 10, 20, 30, 45] {
            lay(&mut pieces, at(first));
            assert_eq!(choose(&pieces, first), &at(first), "piece {first}");
            if let Some(before) = before {
                assert_eq!(choose(&pieces, first - 1), &at(before), "the packet before piece {first}");
            }
            before = Some(first);
        }
    }

    #[test]
    fn a_step_that_does_not_fit_is_refused() {
        assert_eq!(step(1, 0), None);
        assert_eq!(step(1 << 32, 1), None);
        assert_eq!(step(3, 2), Some((1, 1 << 31)));
    }
}
