//! A batch that reached the TC ingress uncut (a GSO packet: from the loopback, a
//! veth, or merged by GRO): its packets one by one. They arrived together.

use crate::{Found, now, parse::Frame as _, rtp, stream};
use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, helpers::bpf_loop, programs::TcContext};
use core::ffi::c_void;
use rtp_common::watch::{
    frame::{Header, Key, RTP},
    settings::Settings,
};

/// Most packets of a batch (`UDP_MAX_SEGMENTS` since Linux 6.9; 64 before).
const MOST: u32 = 128;

/// What is known of the batch, for each of its packets.
struct Batch {
    ctx: *mut __sk_buff,
    settings: &'static Settings,
    key: Key,
    /// Where the first packet begins, and the last one ends.
    begin: u32,
    end: u32,
    /// Octets from one packet to the next.
    segment: u32,
    /// One: every packet was of a stream that is followed.
    followed: u32,
    arrival: u64,
}

/// Follows the packets of a batch, each `segment` octets long (the last one may be
/// shorter); whether all of them are followed.
#[inline(always)]
pub fn follow(ctx: &TcContext, found: &Found, segment: u32) -> bool {
    let end = found.at + found.datagram.ip_length - found.datagram.rtp_at;
    let mut batch = Batch {
        ctx: ctx.as_ptr().cast(),
        settings: found.settings,
        key: found.datagram.key,
        begin: found.at,
        end,
        segment,
        followed: 1,
        arrival: now(),
    };
    let packet: unsafe extern "C" fn(u32, *mut Batch) -> i64 = follow_one;
    // SAFETY: the function takes what is given here, and `batch` outlives the loop.
    unsafe { bpf_loop(MOST, packet as *mut c_void, (&raw mut batch).cast(), 0) };
    batch.followed != 0
}

/// Follows packet `number` of the batch; one: there are no more.
///
/// # Safety
///
/// `batch` must be what [`follow`] gives to `bpf_loop`.
unsafe extern "C" fn follow_one(number: u32, batch: *mut Batch) -> i64 {
    // SAFETY: the caller's.
    let batch = unsafe { &mut *batch };
    let at = batch.begin + number * batch.segment;
    if at >= batch.end {
        return 1;
    }
    let frame = TcContext::new(batch.ctx);
    let Some([word, timestamp, ssrc]) = frame.copy::<[u32; 3]>(at) else { return 1 };
    let header = Header { word: u32::from_be(word), timestamp: u32::from_be(timestamp) };
    let key = Key { ssrc: u32::from_be(ssrc), ..batch.key };
    let length = batch.segment.min(batch.end - at);
    if !header.is_rtp() || length < RTP || !batch.settings.follow(&key) {
        batch.followed = 0;
        return 0;
    }
    let packet = rtp::packet(&frame, header, at, length, batch.arrival);
    if !stream::arrive(batch.settings, &key, &packet) {
        batch.followed = 0;
    }
    0
}
