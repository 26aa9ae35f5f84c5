//! One RTP packet as it stood on the wire, read literally from the RFCs by code
//! that shares nothing with krtp.

use rtp_types::RtpPacket;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Instant,
};

/// Octets of an Ethernet header.
const ETH: usize = 14;
/// Octets of a UDP header.
const UDP: usize = 8;

/// What a frame with a UDP datagram in it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When it was seen.
    pub at: Instant,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Differentiated services code point (RFC 2474).
    pub dscp: u8,
    /// Whether the IPv4 header's sum is right; always, of IPv6.
    pub ip_checksum_is_right: bool,
    pub checksum: UdpChecksum,
    pub octets: Vec<u8>,
}

/// What a receiver makes of a UDP checksum (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpChecksum {
    Right,
    /// The field is zero.
    None,
    Wrong,
}

/// The RTP header's fields (RFC 3550 §5.1), and the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtp {
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub payload: Vec<u8>,
}

impl Datagram {
    /// Reads an Ethernet frame that was seen at `at`; `None` if it carries no
    /// whole UDP datagram.
    pub fn parse(at: Instant, frame: &[u8]) -> Option<Self> {
        let ip = frame.get(ETH..)?;
        let read = match frame[12..ETH] {
            [0x08, 0x00] => Self::parse_ipv4(ip),
            [0x86, 0xdd] => Self::parse_ipv6(ip),
            _ => None,
        };
        Some(Self { at, ..read? })
    }

    fn parse_ipv4(ip: &[u8]) -> Option<Self> {
        let header = ip.get(..20)?;
        // 0x45: version 4, five words, no options.
        if header[0] != 0x45 || header[9] != 17 || word(header, 6) & 0x3fff != 0 {
            return None;
        }
        let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&header[at..at + 4]).expect("four"));
        let udp = ip.get(20..word(header, 2).into())?;
        let mut read = Self::parse_udp(udp, &header[12..20], address(12).into(), address(16).into())?;
        (read.ttl, read.dscp) = (header[8], header[1] >> 2);
        read.ip_checksum_is_right = sum(header) == 0xffff;
        Some(read)
    }

    fn parse_ipv6(ip: &[u8]) -> Option<Self> {
        let header = ip.get(..40)?;
        if header[6] != 17 {
            return None;
        }
        let address =
            |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).expect("sixteen"));
        let udp = ip.get(40..40 + usize::from(word(header, 4)))?;
        let mut read = Self::parse_udp(udp, &header[8..40], address(8).into(), address(24).into())?;
        (read.ttl, read.dscp) = (header[7], (word(header, 0) >> 6) as u8 & 0x3f);
        Some(read)
    }

    fn parse_udp(udp: &[u8], addresses: &[u8], source: IpAddr, destination: IpAddr) -> Option<Self> {
        if udp.len() < UDP || usize::from(word(udp, 4)) != udp.len() {
            return None;
        }
        let covered = [addresses, &[0, 17], &udp[4..6], udp].concat();
        let checksum = match (word(udp, 6), sum(&covered)) {
            (0, _) => UdpChecksum::None,
            (_, 0xffff) => UdpChecksum::Right,
            _ => UdpChecksum::Wrong,
        };
        Some(Self {
            at: Instant::now(),
            source: SocketAddr::new(source, word(udp, 0)),
            destination: SocketAddr::new(destination, word(udp, 2)),
            ttl: 0,
            dscp: 0,
            ip_checksum_is_right: true,
            checksum,
            octets: udp[UDP..].to_vec(),
        })
    }

    /// The RTP packet in it: version 2, no padding, no extension, no
    /// contributing sources; anything else is an error.
    pub fn rtp(&self) -> Result<Rtp, String> {
        Rtp::parse(&self.octets)
    }
}

impl Rtp {
    /// Reads a datagram's octets; see [`Datagram::rtp`].
    pub fn parse(octets: &[u8]) -> Result<Self, String> {
        let packet = RtpPacket::parse(octets).map_err(|error| format!("{error}: {octets:02x?}"))?;
        let plain = packet.version() == 2
            && !packet.padding_bit()
            && !packet.extension_bit()
            && packet.n_csrcs() == 0;
        if !plain {
            return Err(format!("not a plain RTP header: {:02x?}", &octets[..12]));
        }
        Ok(Self {
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
            payload_type: packet.payload_type(),
            marker: packet.marker_bit(),
            payload: packet.payload().to_vec(),
        })
    }
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

/// The one's-complement sum as RFC 1071 defines it.
fn sum(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0u16, |sum, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum + u16::from(carry)
    })
}
