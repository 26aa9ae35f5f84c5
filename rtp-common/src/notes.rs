//! The notes ring: where user space notes of each packet, before it is sent,
//! its payload's sum, so that the program can write a full UDP checksum without
//! reading the payload, and the piece of the timeline that it lies on.
//!
//! One note is 32 bits: the sum in the low half, above it the place of the
//! piece, and then which turn of the ring it belongs to. A packet that was held
//! up for longer than a ring's length finds another turn there and is dropped
//! and counted instead of leaving with a wrong checksum.

use crate::timeline::PIECES;

/// Packets in a flow's ring. More than a socket's send buffer can hold between
/// `sendfile` and the program, even where a neighbour is still being resolved.
pub const RING: usize = 1024;

const RING_BITS: u32 = RING.trailing_zeros();
const _: () = assert!(RING.is_power_of_two());

/// A flow's ring, exactly one page: flows never share one.
pub type Ring = [u32; RING];
const _: () = assert!(size_of::<Ring>() == 4096);

const SUM_BITS: u32 = 16;
const PIECE_BITS: u32 = PIECES.trailing_zeros();
const TURN_SHIFT: u32 = SUM_BITS + PIECE_BITS;

/// What is noted of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// One's-complement sum of the payload ([`crate::checksum::payload_sum`]).
    pub sum: u16,
    /// Place of its piece among the flow's, below [`PIECES`].
    pub piece: usize,
}

/// Where packet `number` has its note.
#[inline(always)]
pub const fn index(number: u64) -> usize {
    (number as usize) & (RING - 1)
}

/// The note of packet `number` as it stands in the ring.
#[inline(always)]
pub const fn entry(number: u64, note: Note) -> u32 {
    let piece = (note.piece & (PIECES - 1)) as u32;
    (turn(number) << TURN_SHIFT) | (piece << SUM_BITS) | note.sum as u32
}

/// What `entry` notes, if it is packet `number`'s.
#[inline(always)]
pub const fn lookup(entry: u32, number: u64) -> Option<Note> {
    if entry >> TURN_SHIFT != turn(number) {
        return None;
    }
    Some(Note { sum: entry as u16, piece: (entry >> SUM_BITS) as usize & (PIECES - 1) })
}

/// Counted from one, so that a zeroed ring holds nobody's note.
#[inline(always)]
const fn turn(number: u64) -> u32 {
    ((number >> RING_BITS) + 1) as u32 & (u32::MAX >> TURN_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::{Note, RING, entry, index, lookup};
    use crate::timeline::PIECES;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_its_own_packet_finds_a_note(
            number in 0u64..1 << 40, sum: u16, piece in 0..PIECES, turns in 1u64..0xfff,
        ) {
            let note = Note { sum, piece };
            let laid = entry(number, note);
            prop_assert_eq!(lookup(laid, number), Some(note));
            let late = number + turns * RING as u64;
            prop_assert_eq!(index(late), index(number));
            prop_assert_eq!(lookup(laid, late), None);
        }
    }

    #[test]
    fn a_fresh_ring_is_empty() {
        for number in 0..RING as u64 {
            assert_eq!(lookup(0, number), None);
        }
    }
}
