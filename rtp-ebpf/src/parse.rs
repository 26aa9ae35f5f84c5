//! Step 2: what the packet says, checked once.

use aya_ebpf::programs::TcContext;
use rtp_common::{checksum::word32, header, reason::Drop};

/// Octets of an Ethernet header. Interfaces without one are user space's to
/// refuse.
pub const ETH: usize = 14;
/// Ethertype of IPv4.
pub const ETH_P_IP: u16 = 0x0800;
/// Ethertype of IPv6.
pub const ETH_P_IPV6: u16 = 0x86dd;
/// Octets of a UDP header.
pub const UDP: usize = 8;
/// 32-bit words of an IPv4 header without options.
pub const IPV4: usize = 5;
/// 32-bit words of an IPv6 header.
pub const IPV6: usize = 10;
/// 32-bit words of payload that are taken along, see [`crate::room`].
pub const AHEAD: usize = 2;

const PROTOCOL_UDP: u32 = 17;
/// More fragments, or a fragment offset (RFC 791 §3.1).
const FRAGMENT: u32 = 0x3fff;

/// The packet's priority; ours carry a number in it.
#[inline(always)]
pub fn priority(ctx: &TcContext) -> u32 {
    // SAFETY: the context is valid for the program's run.
    unsafe { (*ctx.skb.skb).priority }
}

/// Whether the packet is a GSO packet. `gso_segs` would not do: the kernel
/// zeroes it when it wants it recomputed.
#[inline(always)]
pub fn is_batch(ctx: &TcContext) -> bool {
    // SAFETY: as above.
    unsafe { (*ctx.skb.skb).gso_size != 0 }
}

/// Ethertype, host order.
#[inline(always)]
pub fn ethertype(ctx: &TcContext) -> u16 {
    u16::from_be(ctx.skb.protocol() as u16)
}

/// A datagram's headers and first octets of payload, words as they stand in
/// the packet. `IP` is the length of the IP header in words and tells IPv4
/// ([`IPV4`]) from IPv6 ([`IPV6`]).
pub struct Datagram<const IP: usize> {
    pub ip: [u32; IP],
    pub udp: [u32; UDP / 4],
    pub ahead: [u32; AHEAD],
}

impl<const IP: usize> Datagram<IP> {
    /// Octets from the IP header to the end of what is kept here.
    pub const LEN: usize = IP * 4 + UDP + AHEAD * 4;

    /// The largest UDP length to which an RTP header can be added: both length
    /// fields have 16 bits.
    const LONGEST: u32 = 0xffff - (if IP == IPV4 { IPV4 as u32 * 4 } else { 0 }) - header::LEN as u32;

    /// Takes the headers and the first payload octets out of the packet, which
    /// came with `length` octets.
    #[inline(always)]
    pub fn read(ctx: &TcContext, length: u32) -> Result<Self, Drop> {
        // The payload lies in page fragments; this copies its first octets
        // into the linear part, where they can be read.
        ctx.skb.pull_data((ETH + Self::LEN) as u32).map_err(|_| Drop::Shape)?;
        let start = ctx.data() + ETH;
        if start + Self::LEN > ctx.data_end() {
            return Err(Drop::Shape);
        }
        let datagram =
            Self { ip: words(start), udp: words(start + IP * 4), ahead: words(start + IP * 4 + UDP) };
        if datagram.is_plain_udp(length) { Ok(datagram) } else { Err(Drop::Shape) }
    }

    #[inline(always)]
    fn is_plain_udp(&self, packet_length: u32) -> bool {
        let length = self.udp_length();
        // Of what the socket sends, all three lengths agree. Where they do not,
        // the payload sum is of other octets than those that would leave.
        if length < UDP as u32 || length > Self::LONGEST || packet_length != (ETH + IP * 4) as u32 + length {
            return false;
        }
        let first = u32::from_be(self.ip[0]);
        if IP == IPV4 {
            let fragment = u32::from_be(self.ip[1]) & FRAGMENT;
            let protocol = (u32::from_be(self.ip[2]) >> 16) & 0xff;
            first >> 24 == 0x45
                && first & 0xffff == length + IP as u32 * 4
                && fragment == 0
                && protocol == PROTOCOL_UDP
        } else {
            let second = u32::from_be(self.ip[1]);
            let next_header = (second >> 8) & 0xff;
            first >> 28 == 6 && second >> 16 == length && next_header == PROTOCOL_UDP
        }
    }

    /// The UDP length field: header and payload, octets.
    #[inline(always)]
    pub fn udp_length(&self) -> u32 {
        u32::from_be(self.udp[1]) >> 16
    }

    /// Partial checksum of the pseudo-header (RFC 768, RFC 8200 §8.1) but for
    /// the length, and of the ports.
    #[inline(always)]
    pub fn constant_sum(&self) -> u64 {
        let addresses = if IP == IPV4 { 3..5 } else { 2..10 };
        let mut sum = u64::from(PROTOCOL_UDP) + word32(u32::from_be(self.udp[0]));
        for word in &self.ip[addresses] {
            sum += word32(u32::from_be(*word));
        }
        sum
    }
}

/// Reads words out of the packet.
#[inline(always)]
fn words<const N: usize>(start: usize) -> [u32; N] {
    // SAFETY: the caller has checked the bounds (the verifier sees to it).
    // Header words are aligned as the kernel aligns them (NET_IP_ALIGN), which
    // is all that the verifier and the machine ask for.
    unsafe { *(start as *const [u32; N]) }
}

const _: () = assert!(header::LEN == 12);
