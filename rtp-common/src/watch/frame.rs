//! What a packet says: Ethernet, at most one VLAN tag, IPv4 or IPv6 without
//! options, UDP, RTP. Words are given as they stand in the packet.

use bytemuck::{Pod, Zeroable};

/// Octets of an Ethernet header.
pub const ETHERNET: u32 = 14;
/// Octets of a VLAN tag (IEEE 802.1Q).
pub const TAG: u32 = 4;
/// 32-bit words of the IPv4, UDP and RTP headers.
pub const IPV4: usize = 5 + 2 + 3;
/// 32-bit words of the IPv6, UDP and RTP headers.
pub const IPV6: usize = 10 + 2 + 3;

/// Ethertypes.
pub const IS_IPV4: u16 = 0x0800;
/// Likewise.
pub const IS_IPV6: u16 = 0x86dd;
/// A VLAN tag follows: IEEE 802.1Q, and the outer one of 802.1ad.
pub const TAGS: [u16; 2] = [0x8100, 0x88a8];

const PROTOCOL_UDP: u32 = 17;
const UDP: u32 = 8;
/// Octets of the fixed RTP header.
pub const RTP: u32 = 12;
/// More fragments, or a fragment offset (RFC 791 §3.1).
const FRAGMENT: u32 = 0x3fff;
/// RTCP packet types 200 to 204 as they look in the place of an RTP payload
/// type, the marker bit set (RFC 5761 §4).
const RTCP: core::ops::RangeInclusive<u8> = 72..=76;

/// Which stream a packet is of.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Key {
    /// Source address, network order; IPv4 as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
    pub source: [u32; 4],
    /// Destination address, likewise.
    pub destination: [u32; 4],
    /// Source port, host order.
    pub source_port: u16,
    /// Destination port, host order.
    pub destination_port: u16,
    /// Synchronization source, host order.
    pub ssrc: u32,
}

const _: () = assert!(size_of::<Key>() == 40);

/// A datagram that may be RTP: its addresses, and its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The stream it is of.
    pub key: Key,
    /// The first words of its payload, host order: the fixed RTP header but the SSRC.
    pub header: Header,
    /// Octets from the IP header to its end.
    pub ip_length: u32,
    /// Octets from the IP header to the RTP header.
    pub rtp_at: u32,
}

/// The fixed header's first two words (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `V`, `P`, `X`, `CC`, `M`, `PT` and the sequence number.
    pub word: u32,
    /// Timestamp, ticks.
    pub timestamp: u32,
}

impl Header {
    /// Whether this is RTP: version 2, and not RTCP.
    #[inline(always)]
    pub fn is_rtp(self) -> bool {
        self.word >> 30 == 2 && !RTCP.contains(&self.payload_type())
    }

    /// Payload type, 0–127.
    #[inline(always)]
    pub const fn payload_type(self) -> u8 {
        (self.word >> 16) as u8 & 0x7f
    }

    /// The marker bit.
    #[inline(always)]
    pub const fn marker(self) -> bool {
        self.word & (1 << 23) != 0
    }

    /// Sequence number.
    #[inline(always)]
    pub const fn sequence(self) -> u16 {
        self.word as u16
    }

    /// Octets of the contributing sources behind the fixed header.
    #[inline(always)]
    pub const fn contributors(self) -> u32 {
        (self.word >> 24 & 0xf) * 4
    }

    /// Whether a header extension follows them.
    #[inline(always)]
    pub const fn extended(self) -> bool {
        self.word & (1 << 28) != 0
    }

    /// Whether the last octet says how many octets of padding there are.
    #[inline(always)]
    pub const fn padded(self) -> bool {
        self.word & (1 << 29) != 0
    }
}

/// Reads the words from the IPv4 header on. `None`: options, a fragment, not
/// UDP, lengths that disagree, too short for RTP.
#[inline(always)]
pub fn ipv4(words: &[u32; IPV4]) -> Option<Datagram> {
    let first = u32::from_be(words[0]);
    let protocol = u32::from_be(words[2]) >> 16 & 0xff;
    let plain = first >> 24 == 0x45 && u32::from_be(words[1]) & FRAGMENT == 0 && protocol == PROTOCOL_UDP;
    if !plain || first & 0xffff != 20 + udp_length(words[6]) {
        return None;
    }
    let mapped = |address| [0, 0, 0xffff_u32.to_be(), address];
    rtp(mapped(words[3]), mapped(words[4]), words.last_chunk()?, 20)
}

/// Reads the words from the IPv6 header on. `None`: as [`ipv4`].
#[inline(always)]
pub fn ipv6(words: &[u32; IPV6]) -> Option<Datagram> {
    let second = u32::from_be(words[1]);
    let plain = u32::from_be(words[0]) >> 28 == 6 && second >> 8 & 0xff == PROTOCOL_UDP;
    if !plain || second >> 16 != udp_length(words[11]) {
        return None;
    }
    let source = [words[2], words[3], words[4], words[5]];
    let destination = [words[6], words[7], words[8], words[9]];
    rtp(source, destination, words.last_chunk()?, 40)
}

#[inline(always)]
const fn udp_length(word: u32) -> u32 {
    u32::from_be(word) >> 16
}

/// Reads the UDP and RTP headers that follow `ip` octets of IP header.
#[inline(always)]
fn rtp(source: [u32; 4], destination: [u32; 4], words: &[u32; 5], ip: u32) -> Option<Datagram> {
    let ports = u32::from_be(words[0]);
    let length = udp_length(words[1]);
    let header = Header { word: u32::from_be(words[2]), timestamp: u32::from_be(words[3]) };
    if length < UDP + RTP || !header.is_rtp() {
        return None;
    }
    let key = Key {
        source,
        destination,
        source_port: (ports >> 16) as u16,
        destination_port: ports as u16,
        ssrc: u32::from_be(words[4]),
    };
    Some(Datagram { key, header, ip_length: ip + length, rtp_at: ip + UDP })
}
