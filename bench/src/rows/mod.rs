//! The ways of sending that are compared. A row is one file here and one line
//! in [`ROWS`].

mod krtp;
mod read_writev;
mod rtp_sendfile;
mod user_gso;

use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use rtp_common::header::{Header, LEN};
use std::ops::Range;

/// Every row; the first is the one that the others are compared with.
pub const ROWS: &[Row] = &[krtp::ROW, read_writev::ROW, rtp_sendfile::ROW, user_gso::ROW];

/// One way of sending.
#[derive(Debug)]
pub struct Row {
    /// Its name in tables and reports.
    pub name: &'static str,
    /// Makes all ready for sending a file to a target.
    pub open: fn(&Namespace, &Target, &Media) -> anyhow::Result<Box<dyn Sender>>,
}

/// An RTP stream that has begun.
pub trait Sender {
    /// Sends these packets of the file, in order, as fast as it goes.
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()>;
}

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
