//! The sums ring: where user space lays each packet's payload sum before the
//! packet is sent, so that the program can write a full UDP checksum without
//! reading the payload.
//!
//! One entry is 32 bits: the sum in the low half, and in the high half which
//! turn of the ring it belongs to. A packet that was held up for longer than a
//! ring's length finds another turn there and is dropped and counted instead of
//! leaving with a wrong checksum.

/// Packets in a flow's ring. More than a socket's send buffer can hold between
/// `sendfile` and the program, even where a neighbour is still being resolved.
pub const RING: usize = 1024;

const RING_BITS: u32 = RING.trailing_zeros();
const _: () = assert!(RING.is_power_of_two());

/// A flow's ring, exactly one page: flows never share one.
pub type Ring = [u32; RING];
const _: () = assert!(size_of::<Ring>() == 4096);

/// Where packet `number` has its entry.
#[inline(always)]
pub const fn index(number: u64) -> usize {
    (number as usize) & (RING - 1)
}

/// The entry for packet `number` whose payload sums to `sum`.
#[inline(always)]
pub const fn entry(number: u64, sum: u16) -> u32 {
    (turn(number) << 16) | sum as u32
}

/// The sum in `entry`, if it is packet `number`'s.
#[inline(always)]
pub const fn lookup(entry: u32, number: u64) -> Option<u16> {
    if entry >> 16 == turn(number) { Some(entry as u16) } else { None }
}

/// Counted from one, so that a zeroed ring holds nobody's sum.
#[inline(always)]
const fn turn(number: u64) -> u32 {
    ((number >> RING_BITS) + 1) as u32 & 0xffff
}

#[cfg(test)]
mod tests {
    use super::{RING, entry, index, lookup};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_its_own_packet_finds_a_sum(number in 0u64..1 << 40, sum: u16, turns in 1u64..0xffff) {
            let laid = entry(number, sum);
            prop_assert_eq!(lookup(laid, number), Some(sum));
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
