//! The fixed RTP header (RFC 3550 §5.1), which is all krtp ever writes: no
//! padding, no extension, no CSRC.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::checksum::word32;

/// Octets of the fixed header.
pub const LEN: usize = 12;

/// The header's fields in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Payload type, 0–127 (RFC 3551 §6).
    pub payload_type: u8,
    /// Marker bit, as the profile defines it.
    pub marker: bool,
    /// Sequence number, one up per packet, modulo 2^16.
    pub sequence: u16,
    /// Sampling instant in ticks of the payload format's clock, modulo 2^32.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
}

impl Header {
    /// The header as three 32-bit words whose values are in network order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 3] {
        let first = (2 << 30)
            | ((self.marker as u32) << 23)
            | ((self.payload_type as u32 & 0x7f) << 16)
            | self.sequence as u32;
        [first, self.timestamp, self.ssrc]
    }

    /// The header as it stands on the wire.
    #[inline(always)]
    pub const fn to_bytes(&self) -> [u8; LEN] {
        let [a, b, c] = self.words();
        let (a, b, c) = (a.to_be_bytes(), b.to_be_bytes(), c.to_be_bytes());
        [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3]]
    }

    /// Partial checksum of the header.
    #[inline(always)]
    pub const fn sum(&self) -> u64 {
        let [a, b, c] = self.words();
        word32(a) + word32(b) + word32(c)
    }
}

#[cfg(test)]
mod tests {
    use super::Header;
    use crate::checksum::{fold, payload_sum};
    use proptest::prelude::*;
    use rtp_types::RtpPacket;

    fn header() -> impl Strategy<Value = Header> {
        (0u8..128, any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
            |(payload_type, marker, sequence, timestamp, ssrc)| Header {
                payload_type,
                marker,
                sequence,
                timestamp,
                ssrc,
            },
        )
    }

    proptest! {
        #[test]
        fn an_independent_parser_reads_what_we_wrote(header in header()) {
            let bytes = header.to_bytes();
            let packet = RtpPacket::parse(&bytes).expect("a valid header");
            prop_assert_eq!(packet.version(), 2);
            prop_assert_eq!(packet.payload_type(), header.payload_type);
            prop_assert_eq!(packet.marker_bit(), header.marker);
            prop_assert_eq!(packet.sequence_number(), header.sequence);
            prop_assert_eq!(packet.timestamp(), header.timestamp);
            prop_assert_eq!(packet.ssrc(), header.ssrc);
            prop_assert_eq!(packet.n_csrcs(), 0);
            prop_assert!(packet.extension().is_none());
            prop_assert!(packet.padding().is_none());
            prop_assert!(packet.payload().is_empty());
        }

        #[test]
        fn its_sum_is_the_sum_of_its_octets(header in header()) {
            prop_assert_eq!(fold(header.sum()), payload_sum(&header.to_bytes()));
        }
    }
}
