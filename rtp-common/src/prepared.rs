//! What a batch of a prepared file holds, from its length alone: each of its
//! packets stands in the file behind its RTP header.

use crate::header::LEN;

/// What a batch, or a datagram by itself, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// RTP packets.
    pub packets: u64,
    /// Their payload octets (RFC 3550 §6.4.1).
    pub octets: u64,
}

/// The contents of `octets` behind a UDP header that are cut into packets of
/// `segment` octets, the last of which may be shorter; zero: they are one packet.
#[inline(always)]
pub const fn contents(octets: u32, segment: u32) -> Contents {
    let packets = if segment == 0 { 1 } else { octets.div_ceil(segment) as u64 };
    Contents { packets, octets: (octets as u64).saturating_sub(packets * LEN as u64) }
}

#[cfg(test)]
mod tests {
    use super::{Contents, contents};
    use crate::header::LEN;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_holds_what_was_put_into_it(payload in 1u32..9000, whole in 0u64..64, last in 0u32..9000) {
            // The last packet, which may be shorter and is never empty.
            let last = 1 + last % payload;
            let segment = payload + LEN as u32;
            let octets = whole as u32 * segment + last + LEN as u32;
            let expected =
                Contents { packets: whole + 1, octets: whole * u64::from(payload) + u64::from(last) };
            prop_assert_eq!(contents(octets, segment), expected);
        }

        #[test]
        fn nothing_overflows(octets: u32, segment: u32) {
            let Contents { packets, octets: payload } = contents(octets, segment);
            prop_assert!(payload <= u64::from(octets));
            prop_assert!(packets <= u64::from(octets).max(1));
        }
    }

    #[test]
    fn a_datagram_by_itself_is_one_packet() {
        for (octets, payload) in [(1328, 1316), (13, 1), (12, 0), (0, 0)] {
            assert_eq!(contents(octets, 0), Contents { packets: 1, octets: payload }, "{octets}");
        }
    }
}
