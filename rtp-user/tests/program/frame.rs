//! Packets, built and checked literally from the RFCs.

use rtp_types::RtpPacketBuilder;

/// Octets of an Ethernet header.
pub const ETH: usize = 14;

/// An Ethernet frame with one UDP datagram, by its fields.
#[derive(Clone, Debug)]
pub struct Frame {
    pub ip: Ip,
    pub source_port: u16,
    pub destination_port: u16,
    pub udp_checksum: UdpChecksum,
    pub payload: Vec<u8>,
}

/// The IP header's fields.
#[derive(Clone, Debug)]
pub enum Ip {
    V4 { tos: u8, id: u16, flags: u16, ttl: u8, source: [u8; 4], destination: [u8; 4] },
    V6 { traffic_class: u8, flow_label: u32, hop_limit: u8, source: [u8; 16], destination: [u8; 16] },
}

/// What stands in the UDP checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpChecksum {
    /// The checksum (RFC 768).
    Full,
    /// This, as in a packet whose checksum is not computed yet.
    Literal(u16),
}

/// The RTP header's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

/// Don't fragment (RFC 791 §3.1).
pub const DF: u16 = 0x4000;

/// An IPv4 header with a value of its own in every field.
pub fn ipv4() -> Ip {
    Ip::V4 {
        tos: 0xb8,
        id: 0x1c46,
        flags: DF,
        ttl: 17,
        source: [192, 0, 2, 33],
        destination: [239, 255, 7, 201],
    }
}

/// An IPv6 header with a value of its own in every field.
pub fn ipv6() -> Ip {
    let mut source = [0; 16];
    source[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    source[15] = 0x5a;
    let mut destination = source;
    destination[4..12].copy_from_slice(&[0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88]);
    Ip::V6 { traffic_class: 0xb9, flow_label: 0xa_bcde, hop_limit: 9, source, destination }
}

/// `length` octets that no 16-bit sum mistakes for another order of themselves.
pub fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * index + 7 * index + 0x47) as u8).collect()
}

impl Frame {
    /// A datagram as the flow's socket sends it: its checksum field holds what
    /// the kernel left there for the device, here a number to recognise.
    pub fn sent(ip: Ip, payload: Vec<u8>) -> Self {
        let udp_checksum = UdpChecksum::Literal(0xdead);
        Self { ip, source_port: 49_152, destination_port: 5004, udp_checksum, payload }
    }

    /// The same datagram behind an RTP header.
    pub fn as_rtp(&self, rtp: Rtp, udp_checksum: UdpChecksum) -> Self {
        let payload = RtpPacketBuilder::<_, &[u8]>::new()
            .payload_type(rtp.payload_type)
            .marker_bit(rtp.marker)
            .sequence_number(rtp.sequence)
            .timestamp(rtp.timestamp)
            .ssrc(rtp.ssrc)
            .payload(self.payload.as_slice())
            .write_vec()
            .expect("a writable RTP packet");
        Self { udp_checksum, payload, ..self.clone() }
    }

    /// Octets of the IP header.
    pub fn ip_length(&self) -> usize {
        match self.ip {
            Ip::V4 { .. } => 20,
            Ip::V6 { .. } => 40,
        }
    }

    /// The frame as it stands on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let udp_length = u16::try_from(8 + self.payload.len()).expect("a datagram");
        let mut udp = Vec::new();
        for field in [self.source_port, self.destination_port, udp_length, 0] {
            udp.extend(field.to_be_bytes());
        }
        udp.extend(&self.payload);
        let field = match self.udp_checksum {
            UdpChecksum::Literal(field) => field,
            UdpChecksum::Full => match !naive_sum(&[self.pseudo_header(udp_length), udp.clone()].concat()) {
                // Zero would say that there is none (RFC 768).
                0 => 0xffff,
                field => field,
            },
        };
        udp[6..8].copy_from_slice(&field.to_be_bytes());
        let mut frame = vec![0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
        frame.extend(self.ip_header(udp_length));
        frame.extend(udp);
        frame
    }

    /// Ethertype and IP header.
    fn ip_header(&self, udp_length: u16) -> Vec<u8> {
        match &self.ip {
            Ip::V4 { tos, id, flags, ttl, source, destination } => {
                let mut header = vec![0x45, *tos];
                for field in [udp_length + 20, *id, *flags] {
                    header.extend(field.to_be_bytes());
                }
                header.extend([*ttl, 17, 0, 0]);
                header.extend(source);
                header.extend(destination);
                let checksum = !naive_sum(&header);
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                [vec![0x08, 0x00], header].concat()
            }
            Ip::V6 { traffic_class, flow_label, hop_limit, source, destination } => {
                let first = (6u32 << 28) | (u32::from(*traffic_class) << 20) | flow_label;
                let mut header = vec![0x86, 0xdd];
                header.extend(first.to_be_bytes());
                header.extend(udp_length.to_be_bytes());
                header.extend([17, *hop_limit]);
                header.extend(source);
                header.extend(destination);
                header
            }
        }
    }

    fn pseudo_header(&self, udp_length: u16) -> Vec<u8> {
        let mut header = Vec::new();
        match &self.ip {
            Ip::V4 { source, destination, .. } => {
                header.extend(source);
                header.extend(destination);
            }
            Ip::V6 { source, destination, .. } => {
                header.extend(source);
                header.extend(destination);
            }
        }
        header.extend([0, 17]);
        header.extend(udp_length.to_be_bytes());
        header
    }
}

/// The one's-complement sum (RFC 1071) as its definition reads: add words,
/// carry around after each; an odd last octet is padded with zero.
pub fn naive_sum(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0u16, |sum, word| {
        let word = u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

/// Whether a receiver takes the IPv4 header's checksum; always, of IPv6.
pub fn ip_checksum_is_right(frame: &[u8]) -> bool {
    frame[ETH] >> 4 == 6 || naive_sum(&frame[ETH..ETH + 20]) == 0xffff
}

/// Whether a receiver takes the UDP checksum and does not find it missing.
pub fn udp_checksum_is_right(frame: &[u8]) -> bool {
    let (addresses, udp) =
        if frame[ETH] >> 4 == 4 { (ETH + 12..ETH + 20, ETH + 20) } else { (ETH + 8..ETH + 40, ETH + 40) };
    let length = &frame[udp + 4..udp + 6];
    let covered = [&frame[addresses], &[0, 17], length, &frame[udp..]].concat();
    frame[udp + 6..udp + 8] != [0, 0] && naive_sum(&covered) == 0xffff
}
