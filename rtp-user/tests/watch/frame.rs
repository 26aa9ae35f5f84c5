//! Frames, built from their fields by code that shares nothing with the program.

/// A frame with a datagram in it. Checksums are zero: the program does not look.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What stands before the IP header's ethertype: tags.
    pub tags: Vec<u8>,
    pub ipv6: bool,
    pub source_port: u16,
    pub destination_port: u16,
    /// The datagram's payload.
    pub octets: Vec<u8>,
    /// What follows the datagram in the frame.
    pub trailer: Vec<u8>,
}

/// An RTP packet of payload type 33 with ten octets of payload.
pub fn rtp(sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
    let head = [0x80, 33];
    [&head[..], &sequence.to_be_bytes(), &timestamp.to_be_bytes(), &ssrc.to_be_bytes(), &[7; 10]].concat()
}

impl Frame {
    /// With `octets` from 198.18.0.1:4000 to 198.18.0.2:5004.
    pub fn new(octets: Vec<u8>) -> Self {
        Self {
            tags: Vec::new(),
            ipv6: false,
            source_port: 4000,
            destination_port: 5004,
            octets,
            trailer: Vec::new(),
        }
    }

    /// As it stands on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let ethertype: [u8; 2] = if self.ipv6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        [&[2; 12][..], &self.tags, &ethertype, &self.ip(), &self.trailer].concat()
    }

    fn ip(&self) -> Vec<u8> {
        let udp = (8 + self.octets.len()) as u16;
        let ports = [self.source_port.to_be_bytes(), self.destination_port.to_be_bytes()].concat();
        let datagram = [&ports[..], &udp.to_be_bytes(), &[0, 0], &self.octets].concat();
        if self.ipv6 {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(udp.to_be_bytes());
            header.extend([17, 64]);
            for last in [1, 2] {
                header.extend([0x20, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
            return [header, datagram].concat();
        }
        let mut header = vec![0x45, 0];
        header.extend((20 + udp).to_be_bytes());
        header.extend([0, 0, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
        [header, datagram].concat()
    }
}
