//! Step 4: the RTP header, from the flow's state.

use crate::flow::Flow;
use core::{
    intrinsics::{AtomicOrdering::SeqCst, atomic_xadd},
    ptr,
};
use rtp_common::{header::Header, timeline::Piece};

/// Counts the packet and says what its header is. From here on the packet
/// leaves: a sequence number is taken.
#[inline(always)]
pub fn next(flow: &Flow, piece: &Piece, number: u64, octets: u64) -> Header {
    let settings = flow.settings();
    let timestamp = piece.timestamp(number);
    // Two CPUs can send one flow at a time: its sender, and the softirq that
    // empties a neighbour's queue. SeqCst because the old value is used: LLVM
    // makes of anything weaker an addition that does not fetch.
    // SAFETY: aligned fields of an array map's value.
    let before = unsafe {
        atomic_xadd::<u64, u64, { SeqCst }>(&raw mut (*flow.state).octets, octets);
        atomic_xadd::<u64, u64, { SeqCst }>(&raw mut (*flow.state).packets, 1)
    };
    let sequence = u32::from(settings.first_sequence).wrapping_add(before as u32) & 0xffff;
    // SAFETY: as above; each of these has no reader that needs it to agree
    // with the others.
    unsafe {
        let state = flow.state;
        ptr::write_volatile(&raw mut (*state).next_sequence, (sequence + 1) & 0xffff);
        ptr::write_volatile(&raw mut (*state).last_timestamp, timestamp);
        ptr::write_volatile(&raw mut (*state).next_number, number + 1);
    }
    Header {
        payload_type: settings.payload_type,
        marker: piece.marker(number),
        sequence: sequence as u16,
        timestamp,
        ssrc: settings.ssrc,
    }
}
