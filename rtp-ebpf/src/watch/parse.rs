//! Step 1: what the packet says.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use core::mem::MaybeUninit;
use rtp_common::watch::frame::{self, Datagram, ETHERNET, IS_IPV4, IS_IPV6, TAG, TAGS};

/// A frame, however its buffers lie.
pub trait Frame {
    /// Copies a `T` (plain integers) out of the frame. `None`: it ends before.
    fn copy<T: Copy>(&self, at: u32) -> Option<T>;

    /// Its octets.
    fn length(&self) -> u32;
}

impl Frame for XdpContext {
    #[inline(always)]
    fn copy<T: Copy>(&self, at: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the context is valid for the program's run, and `value` has room for its size.
        let result =
            unsafe { bpf_xdp_load_bytes(self.ctx, at, value.as_mut_ptr().cast(), size_of::<T>() as u32) };
        // SAFETY: the helper has filled it, and any bits are integers.
        (result == 0).then(|| unsafe { value.assume_init() })
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is valid for the program's run.
        unsafe { bpf_xdp_get_buff_len(self.ctx) as u32 }
    }
}

impl Frame for TcContext {
    #[inline(always)]
    fn copy<T: Copy>(&self, at: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the context is valid for the program's run, and `value` has room for its size.
        let result = unsafe {
            bpf_skb_load_bytes(self.as_ptr(), at, value.as_mut_ptr().cast(), size_of::<T>() as u32)
        };
        // SAFETY: the helper has filled it, and any bits are integers.
        (result == 0).then(|| unsafe { value.assume_init() })
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.skb.len()
    }
}

/// The datagram in the frame, if it may be RTP, and where its RTP header begins.
#[inline(always)]
pub fn datagram(frame: &impl Frame) -> Option<(Datagram, u32)> {
    let (ethertype, at) = ethertype(frame)?;
    let datagram = match ethertype {
        IS_IPV4 => frame::ipv4(&frame.copy(at)?)?,
        IS_IPV6 => frame::ipv6(&frame.copy(at)?)?,
        _ => return None,
    };
    // What the lengths say must be there; an Ethernet frame may be longer.
    (at + datagram.ip_length <= frame.length()).then_some((datagram, at + datagram.rtp_at))
}

/// The type behind at most one tag, and where what it is the type of begins.
/// (A tag that the device took off the frame is not in it.)
#[inline(always)]
fn ethertype(frame: &impl Frame) -> Option<(u16, u32)> {
    let ethertype = u16::from_be(frame.copy(ETHERNET - 2)?);
    if TAGS.contains(&ethertype) {
        return Some((u16::from_be(frame.copy(ETHERNET + TAG - 2)?), ETHERNET + TAG));
    }
    Some((ethertype, ETHERNET))
}
