//! What a receiver can say of an RTP stream without knowing the sender.

use rtp_types::RtpPacket;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// The stream so far. Datagrams go in as they arrive, with the time of their arrival.
#[derive(Debug, Default)]
pub struct Tally {
    /// RTP packets.
    pub packets: u64,
    /// Octets of payload.
    pub octets: u64,
    /// Packets that never came, by their sequence numbers.
    pub lost: u64,
    /// Packets whose sequence number was not ahead of all before.
    pub late: u64,
    /// Packets whose version, payload type or SSRC were not the first packet's, or that had more than the plain header.
    pub strange: u64,
    /// Datagrams that are no RTP packets.
    pub not_rtp: u64,
    /// The first packet's header.
    pub first: Option<Header>,
    /// The header of the packet with the highest sequence number.
    pub last: Option<Header>,
    arrivals: Option<(Instant, Instant)>,
    hash: Sha256,
}

/// What the header says (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the media's clock.
    pub timestamp: u32,
}

impl Tally {
    /// Takes one datagram in.
    pub fn take(&mut self, datagram: &[u8], now: Instant) {
        let Ok(packet) = RtpPacket::parse(datagram) else {
            self.not_rtp += 1;
            return;
        };
        let header = Header {
            ssrc: packet.ssrc(),
            payload_type: packet.payload_type(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
        };
        self.packets += 1;
        self.octets += packet.payload().len() as u64;
        self.hash.update(packet.payload());
        self.arrivals = Some((self.arrivals.map_or(now, |(first, _)| first), now));
        let first = *self.first.get_or_insert(header);
        let plain = packet.payload_offset() == 12 && !packet.padding_bit();
        if !plain || header.ssrc != first.ssrc || header.payload_type != first.payload_type {
            self.strange += 1;
        }
        self.follow(header);
    }

    /// Counts gaps: sequence numbers are compared modulo 2^16 (RFC 3550 §A.1).
    fn follow(&mut self, header: Header) {
        if let Some(last) = self.last {
            let ahead = header.sequence.wrapping_sub(last.sequence);
            if ahead == 0 || ahead >= 0x8000 {
                self.late += 1;
                return;
            }
            self.lost += u64::from(ahead) - 1;
        }
        self.last = Some(header);
    }

    /// SHA-256 of all payloads, in the order of their arrival.
    pub fn payload_hash(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// From the first packet's arrival to the last's.
    pub fn time(&self) -> Duration {
        self.arrivals.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// When the last packet arrived.
    pub fn last_arrival(&self) -> Option<Instant> {
        self.arrivals.map(|(_, last)| last)
    }

    /// From the first packet's timestamp to the last's, in units of the media's clock.
    pub fn ticks(&self) -> u32 {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.timestamp.wrapping_sub(first.timestamp),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_types::RtpPacketBuilder;

    fn datagram(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
        RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(33)
            .sequence_number(sequence)
            .timestamp((u32::MAX - 5).wrapping_add(sequence.into()))
            .ssrc(ssrc)
            .payload(payload)
            .write_vec()
            .unwrap()
    }

    fn tally(sequences: &[u16]) -> Tally {
        let mut tally = Tally::default();
        let start = Instant::now();
        for (i, sequence) in sequences.iter().enumerate() {
            tally.take(&datagram(*sequence, 7, b"payload"), start + Duration::from_millis(i as u64));
        }
        tally
    }

    #[test]
    fn gaps_and_late_packets_are_told_apart() {
        for (name, sequences, lost, late) in [
            ("in order", &[1, 2, 3][..], 0, 0),
            ("across the wrap", &[65_534, 65_535, 0, 1], 0, 0),
            ("two missing", &[1, 2, 5], 2, 0),
            ("missing across the wrap", &[65_535, 3], 3, 0),
            ("twice the same", &[1, 2, 2, 3], 0, 1),
            ("late by one", &[1, 3, 2, 4], 1, 1),
            ("nothing", &[], 0, 0),
        ] {
            let tally = tally(sequences);
            assert_eq!((tally.lost, tally.late), (lost, late), "{name}");
            assert_eq!(tally.packets, sequences.len() as u64, "{name}");
        }
    }

    #[test]
    fn what_differs_from_the_first_packet_is_strange() {
        let mut tally = tally(&[1, 2]);
        tally.take(&datagram(3, 8, b"payload"), Instant::now());
        let mut extended = datagram(4, 7, &[0; 8]);
        extended[0] |= 0x10; // eight zero octets read as an empty header extension
        tally.take(&extended, Instant::now());
        tally.take(b"no RTP", Instant::now());
        assert_eq!((tally.strange, tally.not_rtp, tally.packets), (2, 1, 4));
    }

    #[test]
    fn payloads_time_and_clock_are_added_up() {
        let tally = tally(&[1, 2, 7]);
        assert_eq!(tally.octets, 21);
        assert_eq!(tally.payload_hash(), crate::hash::sha256(b"payloadpayloadpayload"));
        assert_eq!(tally.time(), Duration::from_millis(2));
        assert_eq!(tally.ticks(), 6, "the timestamp wraps in between");
    }
}
