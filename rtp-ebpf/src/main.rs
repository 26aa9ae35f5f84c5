//! The krtp program: gives each packet of a flow its RTP header on an
//! interface's TC egress.
//!
//! A packet passes at most twice. A batch (a GSO packet) goes to the segmenter,
//! which hands its segments back one by one; each of them, and each datagram
//! that came alone, goes through the steps, one file each: parse → flow → room
//! → header → checksum → departure. What comes from a prepared file has its
//! headers: it passes once, is counted, and goes on as it is.

#![no_std]
#![no_main]
// `AtomicU64::fetch_add` does not exist for this target, its intrinsic does.
#![feature(core_intrinsics)]
#![allow(internal_features)]
#![expect(
    missing_docs,
    clippy::needless_pass_by_value,
    reason = "`#[classifier]` makes an undocumented function, and takes its context by value"
)]

mod batch;
mod departure;
mod flow;
mod header;
mod maps;
mod parse;
mod prepared;
mod room;
mod segment;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use flow::Flow;
use rtp_common::{carrier, reason::Skip};

/// Let the packet go on: to the next tcx link (`TCX_NEXT`), the next clsact
/// filter, the qdisc. The two constants are the same value by design (kernel
/// commit e420bed02507, v6.6).
const NEXT: i32 = TC_ACT_UNSPEC;

/// On an interface's egress: lets every bystander pass after one comparison.
#[classifier]
pub fn krtp_egress(ctx: TcContext) -> i32 {
    if !carrier::is_carrier(parse::priority(&ctx)) {
        return NEXT;
    }
    // SAFETY: the context is the one we were called with.
    unsafe { maps::PROGRAMS.tail_call(&ctx, 0) };
    // Not reached while user space keeps the program there.
    NEXT
}

/// What carries our mark: the entry of [`maps::PROGRAMS`].
///
/// A program by itself, because it writes packets directly. The verifier has
/// such a program begin with making each cloned packet writable
/// (`tc_cls_act_prologue`) and drop it where memory is short; all of TCP leaves
/// in clones. The gate before it writes nothing, and touches no bystander.
#[classifier]
pub fn krtp_flow(ctx: TcContext) -> i32 {
    let priority = parse::priority(&ctx);
    match flow::of_socket(&ctx) {
        Ok(flow) => handle(&ctx, &flow, priority),
        Err(skip) => pass(skip, priority),
    }
}

/// The same for `BPF_PROG_TEST_RUN`, whose packets have no socket of ours: the
/// flow is slot `cb[0]`. Never attached.
#[classifier]
pub fn krtp_by_slot(ctx: TcContext) -> i32 {
    let priority = parse::priority(&ctx);
    if !carrier::is_carrier(priority) {
        return NEXT;
    }
    match flow::of_slot(ctx.cb()[0]) {
        Some(flow) => handle(&ctx, &flow, priority),
        None => pass(Skip::NotAFlow, priority),
    }
}

#[inline(always)]
fn handle(ctx: &TcContext, flow: &Flow, priority: u32) -> i32 {
    if carrier::is_counted(priority) {
        prepared::count(ctx, flow);
        return NEXT;
    }
    let verdict = if parse::is_batch(ctx) {
        batch::redirect(ctx, flow, priority)
    } else {
        segment::send(ctx, flow, priority).map(|()| NEXT)
    };
    match verdict {
        Ok(verdict) => verdict,
        Err(reason) => {
            flow.count_drop(ctx, reason);
            TC_ACT_SHOT
        }
    }
}

#[inline(always)]
fn pass(skip: Skip, priority: u32) -> i32 {
    maps::count_skip(skip);
    match skip {
        // Nobody's header is for it, and without one it must not leave.
        Skip::Ended if !carrier::is_counted(priority) => TC_ACT_SHOT,
        Skip::NoSocket | Skip::NotAFlow | Skip::Ended => NEXT,
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier proves that this is never reached: a program with a
    // reachable endless loop does not load.
    loop {}
}

/// `bpf_skb_adjust_room` needs no GPL, `bpf_ktime_get_ns` does.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
