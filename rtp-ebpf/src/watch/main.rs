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

mod batch;
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
use rtp_common::watch::{frame::Datagram, settings::Settings};

/// In XDP. The frame may lie in several buffers (jumbo frames); what is read of
/// it is copied out.
#[xdp(frags)]
pub fn krtp_watch(ctx: XdpContext) -> u32 {
    if is_to_drop_xdp(&ctx) { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS }
}

/// On the TC ingress.
#[classifier]
pub fn krtp_watch_tc(ctx: TcContext) -> i32 {
    if is_to_drop_tc(&ctx) { TC_ACT_SHOT } else { TC_ACT_UNSPEC }
}

#[inline(always)]
fn is_to_drop_xdp(ctx: &XdpContext) -> bool {
    let Some(found) = find(ctx) else { return false };
    if found.datagram.ip_length > found.settings.longest {
        // A batch, and nothing here tells how it is to be cut.
        maps::count(maps::Total::Batches);
        return false;
    }
    found.follow(ctx) && found.settings.drop != 0
}

#[inline(always)]
fn is_to_drop_tc(ctx: &TcContext) -> bool {
    let Some(found) = find(ctx) else { return false };
    // SAFETY: the context is valid for the program's run.
    let segment = unsafe { (*ctx.skb.skb).gso_size };
    let followed = if segment == 0 { found.follow(ctx) } else { batch::follow(ctx, &found, segment) };
    followed && found.settings.drop != 0
}

/// A datagram that is to be followed.
pub struct Found {
    pub settings: &'static Settings,
    pub datagram: Datagram,
    /// Where its RTP header begins in the frame.
    pub at: u32,
}

/// The datagram in `frame`, if it is RTP that user space wants followed.
#[inline(always)]
fn find(frame: &impl Frame) -> Option<Found> {
    let (datagram, at) = parse::datagram(frame)?;
    let settings = maps::settings()?;
    settings.follow(&datagram.key).then_some(Found { settings, datagram, at })
}

impl Found {
    /// Counts and measures the datagram, one packet; whether its stream is followed.
    #[inline(always)]
    fn follow(&self, frame: &impl Frame) -> bool {
        let Datagram { key, header, ip_length, rtp_at } = &self.datagram;
        let packet = rtp::packet(frame, *header, self.at, ip_length - rtp_at, now());
        stream::arrive(self.settings, key, &packet)
    }
}

/// When the packet reached the program, `CLOCK_MONOTONIC`, nanoseconds.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
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
