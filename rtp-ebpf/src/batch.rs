//! The first pass: a whole batch goes to the segmenter, which sends its
//! segments back to this interface one at a time.

use crate::{
    flow::Flow,
    maps::{BATCH, Batch},
    room,
};
use aya_ebpf::{
    bindings::TC_ACT_REDIRECT,
    helpers::{bpf_ktime_get_ns, bpf_redirect},
    programs::TcContext,
};
use core::{
    intrinsics::{AtomicOrdering::Relaxed, atomic_xadd},
    ptr,
};
use rtp_common::{carrier, reason::Drop};

/// Remembers the batch on this CPU and redirects it.
#[inline(always)]
pub fn redirect(ctx: &TcContext, flow: &Flow, priority: u32) -> Result<i32, Drop> {
    let settings = flow.settings();
    let segmenter = settings.segmenter;
    if segmenter == 0 {
        return Err(Drop::Segmenter);
    }
    let batch = BATCH.get_ptr_mut(0).ok_or(Drop::Segmenter)?;
    let first = carrier::decode(priority, settings.next_number);
    let cookie = settings.cookie;
    // SAFETY: this CPU's entry, see `maps::Batch`.
    let again = unsafe { (*batch).is(cookie, first) && (*batch).next_number == first };
    if !again {
        // SAFETY: as above; aligned fields of an array map's value.
        unsafe {
            *batch = Batch { first, next_number: first, cookie };
            let state = flow.state;
            atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*state).batches, 1);
            ptr::write_volatile(&raw mut (*state).last_departure, bpf_ktime_get_ns());
        }
        room::reserve(ctx)?;
    }
    // SAFETY: a helper without pointers.
    let verdict = unsafe { bpf_redirect(segmenter, 0) };
    if verdict == i64::from(TC_ACT_REDIRECT) { Ok(TC_ACT_REDIRECT) } else { Err(Drop::Segmenter) }
}

/// Number of the packet that carries `priority`, and whether it came alone: it
/// is the next of the batch that passes on this CPU, or a datagram by itself.
#[inline(always)]
pub fn number(flow: &Flow, priority: u32) -> (u64, bool) {
    let settings = flow.settings();
    let first = carrier::decode(priority, settings.next_number);
    if let Some(batch) = BATCH.get_ptr_mut(0) {
        // SAFETY: this CPU's entry, see `maps::Batch`.
        unsafe {
            if (*batch).is(settings.cookie, first) {
                let number = (*batch).next_number;
                (*batch).next_number = number + 1;
                return (number, false);
            }
        }
    }
    (first, true)
}
