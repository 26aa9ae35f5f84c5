//! Step 6: when the packet leaves.

use crate::flow::Flow;
use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::TcContext};
use core::ptr;
use rtp_common::timeline::Piece;

/// Writes the packet's departure time where the flow has one; the fq qdisc
/// keeps it (`skb->tstamp` of a packet that leaves is `CLOCK_MONOTONIC`).
/// `alone`: no batch noted the time before.
#[inline(always)]
pub fn set(ctx: &TcContext, flow: &Flow, piece: &Piece, number: u64, alone: bool) {
    let departure = piece.departure(number);
    let noted = if departure != 0 {
        // SAFETY: the context is valid for the program's run; `tstamp` is writable in tc.
        unsafe { (*ctx.skb.skb).tstamp = departure };
        departure
    } else if alone {
        // SAFETY: a helper without arguments.
        unsafe { bpf_ktime_get_ns() }
    } else {
        return;
    };
    // SAFETY: an aligned field of an array map's value.
    unsafe { ptr::write_volatile(&raw mut (*flow.state).last_departure, noted) };
}
