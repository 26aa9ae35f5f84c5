//! A batch or a datagram of a prepared file: its packets have their headers.

use crate::{
    flow::Flow,
    parse::{self, ETH, IPV4, IPV6, UDP},
};
use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::TcContext};
use core::{
    intrinsics::{AtomicOrdering::Relaxed, atomic_xadd},
    ptr,
};
use rtp_common::prepared::{Contents, contents};

/// Counts what passes, before anything cuts it apart. No octet of it is read:
/// a flow's socket sends plain UDP, whose lengths say everything.
#[inline(always)]
pub fn count(ctx: &TcContext, flow: &Flow) {
    let batch = parse::is_batch(ctx);
    // SAFETY: the context is valid for the program's run; `priority` is writable in tc.
    let segment = unsafe {
        (*ctx.skb.skb).priority = flow.settings().priority;
        (*ctx.skb.skb).gso_size
    };
    let Some(octets) = headers(ctx).and_then(|headers| ctx.len().checked_sub(headers)) else {
        return;
    };
    let Contents { packets, octets } = contents(octets, segment);
    // Two CPUs can send one flow at a time, see `header::next`. No branch in
    // between: without CAP_PERFMON the verifier takes no pointer whose offset
    // differs from path to path (`sanitize_ptr_alu`).
    // SAFETY: aligned fields of an array map's value.
    unsafe {
        let state = flow.state;
        atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*state).octets, octets);
        atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*state).packets, packets);
        atomic_xadd::<u64, u64, { Relaxed }>(&raw mut (*state).batches, u64::from(batch));
        ptr::write_volatile(&raw mut (*state).last_departure, bpf_ktime_get_ns());
    }
}

/// Octets in front of a packet's first RTP header; none in front of what has
/// another header between Ethernet and IP.
#[inline(always)]
fn headers(ctx: &TcContext) -> Option<u32> {
    let ip = match parse::ethertype(ctx) {
        parse::ETH_P_IP => IPV4,
        parse::ETH_P_IPV6 => IPV6,
        _ => return None,
    };
    Some((ETH + ip * 4 + UDP) as u32)
}
