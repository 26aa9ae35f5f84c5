//! Step 2: how much of the datagram is payload.

use crate::parse::Frame;
use rtp_common::watch::{
    frame::{Header, RTP},
    stats::Packet,
};

/// The packet whose RTP header begins `at` that octet of the frame, and which
/// has `length` octets from there on.
#[inline(always)]
pub fn packet(frame: &impl Frame, header: Header, at: u32, length: u32, arrival: u64) -> Packet {
    let extras = header.contributors() + extension(frame, header, at) + padding(frame, header, at + length);
    // Lengths that lead out of the packet leave no payload.
    Packet { header, octets: length.saturating_sub(RTP).saturating_sub(extras), arrival }
}

/// Octets of the header extension: four, and as many words as they say
/// (RFC 3550 §5.3.1).
#[inline(always)]
fn extension(frame: &impl Frame, header: Header, at: u32) -> u32 {
    if !header.extended() {
        return 0;
    }
    let length = frame.copy(at + RTP + header.contributors() + 2);
    length.map_or(0, |words| 4 + u32::from(u16::from_be(words)) * 4)
}

/// Octets of padding, as the last of them says (RFC 3550 §5.1). The packet ends
/// before `end`.
#[inline(always)]
fn padding(frame: &impl Frame, header: Header, end: u32) -> u32 {
    if !header.padded() {
        return 0;
    }
    frame.copy::<u8>(end - 1).map_or(0, u32::from)
}
