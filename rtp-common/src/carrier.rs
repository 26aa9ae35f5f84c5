//! How a packet tells the program which packet of its flow it is.
//!
//! The program must know a packet's number to find its payload sum and its
//! place on the timeline, and counting is not enough: a batch can be lost
//! between socket and interface (netfilter, a full neighbour queue), and from
//! then on a count would name the wrong payload. So user space writes the
//! number of a batch's first packet into `SO_PRIORITY` before it sends.
//! `skb->priority` travels with the batch and into each of its segments; the
//! program puts the socket's real priority back before any qdisc looks at it.
//!
//! ```text
//!  31          24 23                                             0
//! +--------------+------------------------------------------------+
//! |  MAGIC 0xa5  |      number of the first packet, modulo 2^24   |
//! +--------------+------------------------------------------------+
//! ```
//!
//! The magic is not what names a flow (the socket is): it lets the program
//! pass every bystander after one comparison. A packet of a prepared file, which
//! has its header, carries [`COUNTED`] instead of a number. It has a magic of its
//! own, so that a program that knows of no such packets lets them pass.

/// Top octet of `skb->priority` of a packet that waits for its header.
pub const MAGIC: u32 = 0xa5;

/// The same of a packet that is to be counted and left as it is. It differs from
/// [`MAGIC`] in its last bit: one comparison finds both.
const MAGIC_COUNTED: u32 = MAGIC ^ 1;

/// Bits of the packet number that travel with the packet.
pub const NUMBER_BITS: u32 = 24;

const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

/// `SO_PRIORITY` for a batch (or a single datagram) whose first packet is `number`.
#[inline(always)]
pub const fn encode(number: u64) -> u32 {
    (MAGIC << NUMBER_BITS) | (number as u32 & NUMBER_MASK)
}

/// `SO_PRIORITY` for all packets of a prepared file.
pub const COUNTED: u32 = MAGIC_COUNTED << NUMBER_BITS;

/// Whether `priority` is one of ours.
#[inline(always)]
pub const fn is_carrier(priority: u32) -> bool {
    priority >> (NUMBER_BITS + 1) == MAGIC >> 1
}

/// Whether `priority`, one of ours, is that of a packet that has its header.
#[inline(always)]
pub const fn is_counted(priority: u32) -> bool {
    priority >> NUMBER_BITS == MAGIC_COUNTED
}

/// The packet number that `priority` names: the one nearest to `near` among
/// all that share its low 24 bits. Right while fewer than 2^23 packets are on
/// their way from socket to program.
#[inline(always)]
pub const fn decode(priority: u32, near: u64) -> u64 {
    let ahead = priority.wrapping_sub(near as u32) & NUMBER_MASK;
    // Sign-extend the 24-bit distance.
    let shift = 64 - NUMBER_BITS;
    let distance = ((ahead as u64) << shift).cast_signed() >> shift;
    near.wrapping_add(distance.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, decode, encode, is_carrier, is_counted};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn number_survives_the_carrier(near in 0u64..1 << 40, distance in -(1i64 << 23)..(1 << 23)) {
            let number = near.wrapping_add_signed(distance);
            let priority = encode(number);
            prop_assert!(is_carrier(priority));
            prop_assert!(!is_counted(priority));
            prop_assert_eq!(decode(priority, near), number);
        }
    }

    #[test]
    fn a_packet_that_is_only_counted_is_a_carrier_without_a_number() {
        assert!(is_carrier(COUNTED));
        assert!(is_counted(COUNTED));
    }

    #[test]
    fn priorities_in_use_elsewhere_are_not_carriers() {
        // SO_PRIORITY 0..=15 and tc class ids of the usual small handles.
        for priority in
            (0..=15).chain([0x0001_0000, 0x0001_0010, 0xa3ff_ffff, 0xa600_0000, 0x8001_0001, 0xffff_ffff])
        {
            assert!(!is_carrier(priority), "{priority:#x}");
        }
    }
}
