//! The program of `krtp watch`: follows the RTP that arrives on an interface,
//! in XDP or on the TC ingress.
//!
//! A packet's way, one file each: parse (what the packet says) → rtp (how much
//! of it is payload) → stream (whose it is; what it changes there). What is
//! counted and measured is in `rtp_common::watch`.

#![no_std]
#![no_main]
// The atomics of this target are intrinsics.
#![feature(core_intrinsics)]
#![allow(internal_features)]
#![expect(
    missing_docs,
    clippy::needless_pass_by_value,
    reason = "`#[xdp]` and `#[classifier]` make undocumented functions, and take their context by value"
)]

mod maps;
mod parse;
mod rtp;
mod stream;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    helpers::bpf_ktime_get_ns,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use parse::Frame;

/// In XDP. The frame may lie in several buffers (jumbo frames); what is read of
/// it is copied out.
#[xdp(frags)]
pub fn krtp_watch(ctx: XdpContext) -> u32 {
    if follow(&ctx) { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

/// On the TC ingress.
#[classifier]
pub fn krtp_watch_tc(ctx: TcContext) -> i32 {
    if follow(&ctx) { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}

/// Follows the packet if it is RTP; whether it is to be dropped.
#[inline(always)]
fn follow(frame: &impl Frame) -> bool {
    let Some((datagram, at)) = parse::datagram(frame) else { return false };
    let Some(settings) = maps::settings() else { return false };
    if !settings.follow(&datagram.key) {
        return false;
    }
    if datagram.ip_length > settings.longest {
        maps::count(maps::Total::Batches);
        return false;
    }
    // SAFETY: a helper without arguments.
    let arrival = unsafe { bpf_ktime_get_ns() };
    let packet = rtp::packet(frame, &datagram, at, arrival);
    stream::arrive(settings, &datagram.key, &packet) && settings.drop != 0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier proves that this is never reached: a program with a
    // reachable endless loop does not load.
    loop {}
}

/// `bpf_ktime_get_ns` needs the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
