//! The timeline: from packet number to RTP timestamp and to departure time.
//!
//! It is made of straight pieces. User space lays a new [`Piece`] when the
//! media's clock bends (a PCR, a loop, a discontinuity) and notes with each
//! packet on which piece it lies ([`crate::notes`]); the program only evaluates
//! it. Steps are fixed point, 32.32 bits rounded down, and are always multiplied
//! by the distance from the piece's first packet, never accumulated: a timestamp
//! is never later than the exact line, and earlier by less than one tick plus
//! `distance / 2^31` ticks. Where each piece begins on the exact line, no error
//! is carried from one to the next.

use bytemuck::{Pod, Zeroable};

/// Pieces that a flow has at a time, used in turn. A batch may lie on so many
/// less one: the oldest is overwritten when its packets have passed.
pub const PIECES: usize = 16;
const _: () = assert!(PIECES.is_power_of_two());

/// In [`Piece::flags`]: the piece's first packet has the RTP marker bit set
/// (RFC 2250 §2: where the timestamp is discontinuous, or the source another).
pub const MARKER: u32 = 1;

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
    pub gap: u64,
    /// The same, the fraction in units of 2^-32.
    pub gap_fraction: u32,
    /// RTP timestamp of packet `first`, ticks.
    pub timestamp: u32,
    /// The same, the fraction in units of 2^-32: where between two ticks it lies.
    pub timestamp_fraction: u32,
    /// From packet to packet: ticks, the whole part.
    pub step: u32,
    /// The same, the fraction in units of 2^-32.
    pub step_fraction: u32,
    /// [`MARKER`] or nothing.
    pub flags: u32,
}

const _: () = assert!(size_of::<Piece>() == 48);

impl Piece {
    /// RTP timestamp of packet `number`.
    #[inline(always)]
    pub const fn timestamp(&self, number: u64) -> u32 {
        let distance = self.distance(number);
        let fraction = distance * self.step_fraction as u64 + self.timestamp_fraction as u64;
        let ticks = (distance * self.step as u64).wrapping_add(fraction >> 32);
        self.timestamp.wrapping_add(ticks as u32)
    }

    /// When packet `number` is to leave (`CLOCK_MONOTONIC`, ns); zero: at once.
    #[inline(always)]
    pub const fn departure(&self, number: u64) -> u64 {
        if self.departure == 0 {
            return 0;
        }
        let distance = self.distance(number);
        let nanoseconds = distance.wrapping_mul(self.gap);
        let fraction = (distance * self.gap_fraction as u64) >> 32;
        self.departure.wrapping_add(nanoseconds).wrapping_add(fraction)
    }

    /// Whether packet `number` carries the RTP marker bit.
    #[inline(always)]
    pub const fn marker(&self, number: u64) -> bool {
        self.flags & MARKER != 0 && number == self.first
    }

    /// Whether packet `number` may lie on this piece.
    #[inline(always)]
    pub const fn is_for(&self, number: u64) -> bool {
        self.first <= number
    }

    /// Packets from the piece's first to `number`. Exact below 2^32: the caller
    /// lays a new piece long before.
    #[inline(always)]
    const fn distance(&self, number: u64) -> u64 {
        number.wrapping_sub(self.first) & 0xffff_ffff
    }
}

/// The piece of `pieces`, which are in order, that is for packet `number`: the
/// last that begins no later.
pub fn of(pieces: &[Piece], number: u64) -> Option<&Piece> {
    pieces[..pieces.partition_point(|piece| piece.first <= number)].last()
}

/// `numerator / denominator` as 32.32 fixed point, rounded down: the whole part
/// and the fraction. `None` when the ratio needs more than 32 bits.
pub fn step(numerator: u128, denominator: u128) -> Option<(u32, u32)> {
    let (whole, fraction) = ratio(numerator, denominator)?;
    Some((u32::try_from(whole).ok()?, fraction))
}

/// The same with a whole part of 64 bits.
pub fn ratio(numerator: u128, denominator: u128) -> Option<(u64, u32)> {
    let whole = u64::try_from(numerator.checked_div(denominator)?).ok()?;
    let rest = numerator % denominator;
    (rest.leading_zeros() >= 32).then(|| (whole, ((rest << 32) / denominator) as u32))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{MARKER, Piece, of, ratio, step};
    use proptest::prelude::*;

    proptest! {
        /// Against exact rational arithmetic, over 30 days of any stream up to
        /// 800 packets a second and a 27 MHz clock: never late, early by one
        /// tick at most. Real pieces are a thousand times shorter.
        #[test]
        fn timestamps_stay_on_the_exact_line(
            ticks in 1u64..27_000_000,
            packets in 1u64..1_000_000,
            first in 0u64..1 << 40,
            distance in 0u64..(1 << 31),
            timestamp: u32,
            timestamp_fraction: u32,
        ) {
            let (step, step_fraction) = step(ticks.into(), packets.into()).expect("fits");
            let piece = Piece { first, timestamp, timestamp_fraction, step, step_fraction, ..Piece::default() };
            let numerator = ((u128::from(distance) * u128::from(ticks)) << 32)
                + u128::from(packets) * u128::from(timestamp_fraction);
            let exact = numerator / (u128::from(packets) << 32);
            let expected = timestamp.wrapping_add(exact as u32);
            let early = expected.wrapping_sub(piece.timestamp(first + distance)).cast_signed();
            prop_assert!((0..=1).contains(&early), "early by {early} ticks");
        }

        #[test]
        fn timestamps_never_step_back(
            whole in 0u32..10_000, fraction: u32, begun: u32, number in 0u64..1 << 30,
        ) {
            let piece =
                Piece { timestamp_fraction: begun, step: whole, step_fraction: fraction, ..Piece::default() };
            let ahead = piece.timestamp(number + 1).wrapping_sub(piece.timestamp(number));
            prop_assert!(ahead == whole || ahead == whole + 1);
        }

        #[test]
        fn departures_follow_the_gap(gap in 1u64..1 << 34, fraction: u32, distance in 0u64..1 << 28) {
            let piece = Piece { departure: 1 << 40, gap, gap_fraction: fraction, ..Piece::default() };
            let exact = (u128::from(distance) * ((u128::from(gap) << 32) + u128::from(fraction))) >> 32;
            prop_assert_eq!(u128::from(piece.departure(distance)), (1u128 << 40) + exact);
        }

        #[test]
        fn a_ratio_is_rounded_down(whole in 0u64..1 << 31, numerator in 0u64..1 << 62, denominator in 1u64..1 << 62) {
            let rest = u128::from(numerator % denominator);
            let all = u128::from(whole) * u128::from(denominator) + rest;
            let (found, fraction) = ratio(all, denominator.into()).expect("fits");
            let fraction = u128::from(fraction);
            prop_assert_eq!(found, whole);
            prop_assert!(fraction * u128::from(denominator) <= rest << 32);
            prop_assert!((fraction + 1) * u128::from(denominator) > rest << 32);
        }
    }

    #[test]
    fn a_timestamp_wraps_at_32_bits() {
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
    fn only_the_first_packet_of_a_marked_piece_has_the_marker() {
        let marked = Piece { first: 7, flags: MARKER, ..Piece::default() };
        for (piece, number, marker) in
            [(marked, 7, true), (marked, 8, false), (Piece { flags: 0, ..marked }, 7, false)]
        {
            assert_eq!(piece.marker(number), marker, "packet {number} of {piece:?}");
        }
    }

    #[test]
    fn a_packet_is_on_the_last_piece_that_begins_before_it() {
        let pieces = [0, 10, 10, 30].map(|first| Piece { first, ..Piece::default() });
        for (number, found) in [(0, Some(0)), (9, Some(0)), (10, Some(2)), (29, Some(2)), (99, Some(3))] {
            assert_eq!(of(&pieces, number), found.map(|found: usize| &pieces[found]), "packet {number}");
        }
        assert_eq!(of(&pieces[1..], 9), None);
    }

    #[test]
    fn a_step_that_does_not_fit_is_refused() {
        assert_eq!(step(1, 0), None);
        assert_eq!(step(1 << 32, 1), None);
        assert_eq!(step(3, 2), Some((1, 1 << 31)));
        assert_eq!(step(2, 3), Some((0, 0xaaaa_aaaa)), "rounded down");
    }
}
