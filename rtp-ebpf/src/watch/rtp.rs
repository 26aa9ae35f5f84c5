//! Step 2: how much of the datagram is payload.

use crate::parse::Frame;
use rtp_common::watch::{
    frame::{Datagram, RTP},
    stats::Packet,
};

/// The packet whose RTP header begins `at` that octet of the frame.
#[inline(always)]
pub fn packet(frame: &impl Frame, datagram: &Datagram, at: u32, arrival: u64) -> Packet {
    let header = datagram.header;
    let after_header = datagram.ip_length - datagram.rtp_at - RTP;
    let extras = header.contributors() + extension(frame, datagram, at) + padding(frame, datagram, at);
    // Lengths that lead out of the packet leave no payload.
    Packet { header, octets: after_header.saturating_sub(extras), arrival }
}

/// Octets of the header extension: four, and as many words as they say
/// (RFC 3550 §5.3.1).
#[inline(always)]
fn extension(frame: &impl Frame, datagram: &Datagram, at: u32) -> u32 {
    if !datagram.header.extended() {
        return 0;
    }
    let length = frame.load(at + RTP + datagram.header.contributors() + 2);
    length.map_or(0, |words| 4 + u32::from(u16::from_be(words)) * 4)
}

/// Octets of padding, as the last of them says (RFC 3550 §5.1).
#[inline(always)]
fn padding(frame: &impl Frame, datagram: &Datagram, at: u32) -> u32 {
    if !datagram.header.padded() {
        return 0;
    }
    let end = at + datagram.ip_length - datagram.rtp_at;
    frame.load::<u8>(end - 1).map_or(0, u32::from)
}
