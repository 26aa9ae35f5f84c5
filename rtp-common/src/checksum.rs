//! The Internet checksum (RFC 1071) over what krtp rewrites.
//!
//! Sums are one's-complement sums of 16-bit words in network order, held in
//! host integers. A partial sum is a `u64` that has not been folded yet; its
//! 48 spare bits hold the carries of any packet.

/// Folds a partial sum to 16 bits with end-around carry.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Partial sum of one 32-bit word given as its value in network order.
#[inline(always)]
pub const fn word32(word: u32) -> u64 {
    (word >> 16) as u64 + (word & 0xffff) as u64
}

/// One's-complement sum of `payload` as it counts in a UDP checksum: 16-bit
/// words in network order, an odd last octet padded with zero (RFC 768).
///
/// The loop adds 32-bit words in the machine's order, four lanes at a time so
/// that it vectorises; a one's-complement sum does not depend on byte order
/// but for one swap at the end (RFC 1071 §2 B).
pub fn payload_sum(payload: &[u8]) -> u16 {
    let mut lanes = [0u64; 8];
    let mut blocks = payload.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
            *lane += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
    let mut sum = lanes.iter().sum::<u64>();
    let mut words = blocks.remainder().chunks_exact(2);
    for word in &mut words {
        sum += u64::from(u16::from_ne_bytes([word[0], word[1]]));
    }
    if let [last] = *words.remainder() {
        sum += u64::from(u16::from_ne_bytes([last, 0]));
    }
    u16::from_be(fold(sum))
}

/// The UDP checksum field from the partial sum of everything it covers. Zero
/// means "no checksum" on the wire, so a computed zero is sent as its other
/// representation (RFC 768).
#[inline(always)]
pub const fn udp_field(sum: u64) -> u16 {
    match !fold(sum) {
        0 => 0xffff,
        field => field,
    }
}

/// The IPv4 header checksum after `from` became `to` in the header
/// (RFC 1624, equation 3). `from` and `to` are partial sums.
#[inline(always)]
pub const fn ipv4_update(field: u16, from: u64, to: u64) -> u16 {
    !fold((!field) as u64 + (!fold(from)) as u64 + to)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{fold, ipv4_update, payload_sum, udp_field, word32};
    use proptest::prelude::*;

    /// The definition, read literally: add words, carry around after each.
    fn naive(bytes: &[u8]) -> u16 {
        bytes.chunks(2).fold(0u16, |sum, word| {
            let word = u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    /// Both representations of zero count as equal.
    fn same(a: u16, b: u16) -> bool {
        a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0)
    }

    proptest! {
        #[test]
        fn payload_sum_is_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(same(payload_sum(&bytes), naive(&bytes)));
        }

        #[test]
        fn a_sum_of_parts_is_the_sum_of_the_whole(bytes in proptest::collection::vec(any::<u8>(), 2..1500), cut in 0usize..750) {
            let cut = (cut * 2).min(bytes.len() & !1);
            let (head, tail) = bytes.split_at(cut);
            let sum = u64::from(payload_sum(head)) + u64::from(payload_sum(tail));
            prop_assert!(same(fold(sum), naive(&bytes)));
        }

        #[test]
        fn words_count_like_their_octets(word: u32) {
            prop_assert!(same(fold(word32(word)), naive(&word.to_be_bytes())));
        }

        #[test]
        fn a_field_makes_the_whole_sum_to_ones(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let field = udp_field(u64::from(payload_sum(&bytes)));
            prop_assert_ne!(field, 0);
            prop_assert_eq!(fold(u64::from(naive(&bytes)) + u64::from(field)), 0xffff);
        }

        #[test]
        fn an_update_equals_a_new_sum(header in proptest::array::uniform20(any::<u8>()), length: u16) {
            let mut header = header;
            header[0] = 0x45; // never all zero, as no real header is
            header[10..12].fill(0);
            let field = !naive(&header);
            let old = u16::from_be_bytes([header[2], header[3]]);
            header[2..4].copy_from_slice(&length.to_be_bytes());
            let updated = ipv4_update(field, u64::from(old), u64::from(length));
            prop_assert_eq!(updated, !naive(&header));
        }

        #[test]
        fn fold_keeps_the_value_modulo_ffff(sum: u64) {
            prop_assert_eq!(u64::from(fold(sum)) % 0xffff, sum % 0xffff);
            prop_assert!(sum == 0 || fold(sum) != 0);
        }
    }

    #[test]
    fn every_length_around_the_block_size_is_summed_whole() {
        let bytes: std::vec::Vec<u8> = (0..=255u8).cycle().take(200).collect();
        for length in 0..bytes.len() {
            assert!(same(payload_sum(&bytes[..length]), naive(&bytes[..length])), "length {length}");
        }
    }
}
