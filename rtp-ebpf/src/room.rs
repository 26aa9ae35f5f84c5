//! Step 3: room for the RTP header between UDP header and payload.
//!
//! The packet is taken apart down to eight octets into its payload and built
//! up again twelve octets longer. This detour is what makes the result right
//! on every device. A packet whose checksum is left to the device
//! (`CHECKSUM_PARTIAL`) says where to start summing: at the UDP header's old
//! place, which no helper can move. Where nothing resolves the offload (veth,
//! loopback, virtio) or the device looks for the UDP header by itself, whatever
//! was prepared for the old place would stay in the packet as it is. Pulling
//! the packet's start past that place makes the kernel give the offload up
//! (`skb_postpull_rcsum` turns PARTIAL into NONE when the start of the checksum
//! lies before the data; in this helper since commit 54c3f1a81421, v6.2, also
//! in 6.1.y), and the checksum we write is final.

use crate::parse::{Datagram, ETH, UDP};
use aya_ebpf::{
    bindings::BPF_F_ADJ_ROOM_FIXED_GSO, helpers::generated::bpf_skb_change_tail, programs::TcContext,
};
use rtp_common::{header, reason::Drop};

/// `BPF_ADJ_ROOM_MAC`: room behind the Ethernet header.
const BEHIND_ETHERNET: u32 = 1;

/// Cuts everything that `Datagram` holds out of the packet, and makes zeroed
/// room for it and the RTP header. The eight octets of payload ahead are those
/// that carry the start of the packet past the UDP header.
#[inline(always)]
pub fn make<const IP: usize>(ctx: &TcContext) -> Result<(), Drop> {
    let length = Datagram::<IP>::LEN as i32;
    adjust(ctx, -length)?;
    adjust(ctx, length + header::LEN as i32)
}

/// Lengthens a packet that is too short for [`make`], with zeros behind its
/// payload, and says whether it did: [`cut`] takes them off again. For the last
/// packet of a file and for audio of a few samples; the packet is copied.
///
/// `bpf_skb_adjust_room` cuts nothing out that would leave less than an IP
/// header behind the Ethernet header.
#[inline(always)]
pub fn lengthen<const IP: usize>(ctx: &TcContext, length: u32) -> Result<bool, Drop> {
    let shortest = (ETH + Datagram::<IP>::LEN + IP * 4) as u32;
    if length >= shortest {
        return Ok(false);
    }
    change_length(ctx, shortest)?;
    Ok(true)
}

/// Makes the packet `length` octets long, which it was before [`lengthen`] and
/// the RTP header.
#[inline(always)]
pub fn cut(ctx: &TcContext, length: u32) -> Result<(), Drop> {
    change_length(ctx, length)
}

#[inline(always)]
fn change_length(ctx: &TcContext, length: u32) -> Result<(), Drop> {
    // SAFETY: the context is valid for the program's run.
    match unsafe { bpf_skb_change_tail(ctx.skb.skb, length, 0) } {
        0 => Ok(()),
        _ => Err(Drop::Room),
    }
}

/// Shortest batch that is worth [`reserve`].
const LONG: u32 = 4096;

/// Makes headroom in a batch, once, so that none of its segments has to be
/// moved to a larger buffer: segments are born with their batch's headroom
/// (`skb_segment`), which is two octets on Ethernet. Growing and shrinking
/// again by as much leaves the packet as it was and the headroom behind.
///
/// It also makes the kernel distrust the batch (`SKB_GSO_DODGY`, no segment
/// count), whence the segmenter's `gso_max_size`: a kernel that looks at the
/// count alone passes such a batch through whole, its count made good, and we
/// see it a second time.
#[inline(always)]
pub fn reserve(ctx: &TcContext) -> Result<(), Drop> {
    if ctx.len() < LONG {
        return Ok(());
    }
    let octets = header::LEN as i32 + 4;
    adjust(ctx, octets)?;
    adjust(ctx, -octets)
}

/// Octets from the start of the packet to behind what [`make`] makes room for.
pub const fn end<const IP: usize>() -> usize {
    ETH + Datagram::<IP>::LEN + header::LEN
}

const _: () = assert!(end::<{ crate::parse::IPV4 }>() == ETH + 20 + UDP + 12 + 8);

#[inline(always)]
fn adjust(ctx: &TcContext, octets: i32) -> Result<(), Drop> {
    ctx.skb.adjust_room(octets, BEHIND_ETHERNET, u64::from(BPF_F_ADJ_ROOM_FIXED_GSO)).map_err(|_| Drop::Room)
}
