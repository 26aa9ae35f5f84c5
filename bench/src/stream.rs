//! The RTP stream that every row sends.

use rtp_common::header::{Header, LEN};

/// Payload type of an MPEG transport stream (RFC 3551 §6).
pub const PAYLOAD_TYPE: u8 = 33;
/// Sequence number of a row's first packet: it wraps within the check.
pub const FIRST_SEQUENCE: u16 = 65_000;
/// RTP timestamp of a row's first packet: it wraps as well.
pub const FIRST_TIMESTAMP: u32 = u32::MAX - 9_999;
/// Ticks per second (RFC 2250 §2).
pub const CLOCK_RATE: u32 = 90_000;
/// From packet to packet, ticks: about 10 Mbit/s.
pub const STEP: u32 = 95;
/// Synchronization source.
pub const SSRC: u32 = 0x6b72_7470;

/// Sequence number of a row's packet `number`, modulo 2^16.
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^16")]
pub fn sequence(number: u64) -> u16 {
    FIRST_SEQUENCE.wrapping_add(number as u16)
}

/// RTP timestamp of a row's packet `number`, modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
pub fn timestamp(number: u64) -> u32 {
    FIRST_TIMESTAMP.wrapping_add(STEP.wrapping_mul(number as u32))
}

/// The header of a row's packet `number`.
pub fn header(number: u64) -> [u8; LEN] {
    let (sequence, timestamp) = (sequence(number), timestamp(number));
    Header { payload_type: PAYLOAD_TYPE, marker: false, sequence, timestamp, ssrc: SSRC }.to_bytes()
}
