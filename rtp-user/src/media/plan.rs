//! How a file's media is cut into packets.

use std::ops::Range;

/// Fewest payload octets a packet may be asked to have.
pub const PAYLOAD_MIN: u32 = 16;
/// Most payload octets a packet may be asked to have; with all its headers it
/// still fits an IP packet.
pub const PAYLOAD_MAX: u32 = 65_000;
/// Why a file cannot be cut into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Payload size out of range.
    #[error("--payload {0} is out of range; give {PAYLOAD_MIN} to {PAYLOAD_MAX} octets")]
    Payload(u32),
    /// There is nothing to cut.
    #[error("a file of no octets makes no packets; give one with content")]
    Empty,
}

/// The packets of a file's media: each of `payload` octets, the last with what
/// is left.
///
/// Packets are counted from zero, octets from the file's beginning; every
/// question has an answer, also one for a packet after the last: it begins at
/// the media's end and is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    start: u64,
    len: u64,
    payload: u32,
    packets: u64,
}

/// Packets that may leave in one GSO batch: equally long, but for the last
/// which may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of the first packet.
    pub first: u64,
    /// Offset in the file of the first packet's first octet.
    pub offset: u64,
    /// Payload octets in all.
    pub octets: usize,
    /// How many packets.
    pub packets: usize,
}

impl Plan {
    /// Cuts the media that lies at `octets` of a file into packets of `payload` octets.
    pub fn new(octets: Range<u64>, payload: u32) -> Result<Self, PlanError> {
        if !(PAYLOAD_MIN..=PAYLOAD_MAX).contains(&payload) {
            return Err(PlanError::Payload(payload));
        }
        let start = octets.start;
        let len = octets.end.saturating_sub(start);
        if len == 0 {
            return Err(PlanError::Empty);
        }
        let packets = len.div_ceil(payload.into());
        Ok(Self { start, len, payload, packets })
    }

    /// Packets in all.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Octets in all.
    pub fn octets(&self) -> u64 {
        self.len
    }

    /// Where in the file they lie.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.len
    }

    /// Payload octets of a full packet.
    pub fn payload(&self) -> u32 {
        self.payload
    }

    /// Offset in the file of `packet`'s first octet.
    pub fn octet(&self, packet: u64) -> u64 {
        let distance = if packet < self.packets { packet * u64::from(self.payload) } else { self.len };
        self.start + distance
    }

    /// Payload octets of `packet`.
    pub fn len_of(&self, packet: u64) -> u32 {
        let octets = self.octet(packet.saturating_add(1)) - self.octet(packet);
        u32::try_from(octets).expect("a packet holds no more than its payload size")
    }

    /// The first packet that begins at `octet` of the file or behind it; the
    /// number of packets where none does.
    pub fn packet_at(&self, octet: u64) -> u64 {
        octet.saturating_sub(self.start).div_ceil(self.payload.into()).min(self.packets)
    }

    /// The packets from `first` on that may leave as one batch, at most `max`.
    /// Empty after the last packet.
    pub fn batch(&self, first: u64, max: usize) -> Batch {
        let left = self.packets.saturating_sub(first);
        let packets = usize::try_from(left).map_or(max, |left| left.min(max));
        let offset = self.octet(first);
        let end = self.octet(first.saturating_add(packets as u64));
        let octets = usize::try_from(end - offset).expect("krtp's machines address what they send");
        Batch { first, offset, octets, packets }
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, PAYLOAD_MAX, PAYLOAD_MIN, Plan, PlanError};
    use proptest::prelude::*;
    use std::ops::Range;

    /// The packets' lengths, by handing out octets one packet after another.
    fn naive(len: u64, payload: u32) -> Vec<u32> {
        let (len, payload) = (usize::try_from(len).unwrap(), payload as usize);
        vec![0u8; len].chunks(payload).map(|chunk| u32::try_from(chunk.len()).unwrap()).collect()
    }

    /// Lengths of a few packets, many of them just about a whole number.
    fn sizes() -> impl Strategy<Value = (u64, u32)> {
        (PAYLOAD_MIN..2000, 0u64..150, 0u64..20, any::<u64>()).prop_map(|(payload, packets, near, far)| {
            let left = if far % 2 == 0 { near } else { far % u64::from(payload) };
            ((packets * u64::from(payload) + left).max(1), payload)
        })
    }

    proptest! {
        #[test]
        fn packets_are_cut_one_after_another((len, payload) in sizes(), start in 0u64..1 << 40) {
            let plan = Plan::new(start..start + len, payload).unwrap();
            let expected = naive(len, payload);
            prop_assert_eq!(plan.packets(), expected.len() as u64);
            prop_assert_eq!((plan.octets(), plan.range()), (len, start..start + len));
            let mut offset = start;
            for (packet, &length) in (0..).zip(&expected) {
                prop_assert_eq!(plan.octet(packet), offset);
                prop_assert_eq!(plan.len_of(packet), length);
                prop_assert_eq!(plan.packet_at(offset), packet);
                prop_assert_eq!(plan.packet_at(offset + 1), packet + 1);
                offset += u64::from(length);
            }
            prop_assert_eq!(offset, start + len);
        }

        #[test]
        fn batches_are_the_media_in_order((len, payload) in sizes(), start in 0u64..1 << 40, max in 1usize..70) {
            let plan = Plan::new(start..start + len, payload).unwrap();
            let (mut packet, mut octet) = (0, start);
            while packet < plan.packets() {
                let batch = plan.batch(packet, max);
                prop_assert!((1..=max).contains(&batch.packets));
                prop_assert_eq!((batch.first, batch.offset), (packet, octet));
                let end = packet + batch.packets as u64;
                let last = end - 1;
                for equal in packet..last {
                    prop_assert_eq!(plan.len_of(equal), payload);
                }
                let lengths = (packet..end).map(|packet| plan.len_of(packet) as usize);
                prop_assert_eq!(lengths.sum::<usize>(), batch.octets);
                // It ends for a reason: full, a shorter packet, or the media's end.
                prop_assert!(batch.packets == max || plan.len_of(last) < payload || end == plan.packets());
                packet = end;
                octet += batch.octets as u64;
            }
            let end = start + len;
            prop_assert_eq!(octet, end);
            prop_assert_eq!(plan.batch(packet, max), Batch { first: packet, offset: end, octets: 0, packets: 0 });
        }

        #[test]
        fn no_question_is_too_far(
            start: u64, end: u64, payload in PAYLOAD_MIN..=PAYLOAD_MAX, packet: u64, max in 0usize..100,
        ) {
            let Ok(plan) = Plan::new(start..end, payload) else {
                prop_assert!(end <= start);
                return Ok(());
            };
            prop_assert!((start..=end).contains(&plan.octet(packet)));
            prop_assert!(plan.len_of(packet) <= payload);
            prop_assert!(plan.batch(packet, max).packets <= max);
            prop_assert_eq!(plan.octet(u64::MAX), end);
        }
    }

    #[test]
    fn the_last_packets_are_cut_as_told() {
        let cases: [(&str, u64, u32, &[u32]); 7] = [
            ("seven transport packets", 1316, 1316, &[1316]),
            ("one left over", 1316 + 188, 1316, &[1316, 188]),
            ("eight octets left", 40, 32, &[32, 8]),
            ("one octet left", 33, 32, &[32, 1]),
            ("one octet left of the smallest", 17, 16, &[16, 1]),
            ("two and one octet", 65, 32, &[32, 32, 1]),
            ("less than one in all", 3, 16, &[3]),
        ];
        for (case, len, payload, expected) in cases {
            let plan = Plan::new(7..7 + len, payload).unwrap();
            let lengths: Vec<u32> = (0..plan.packets()).map(|packet| plan.len_of(packet)).collect();
            assert_eq!(lengths, expected, "{case}");
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        for payload in [0, PAYLOAD_MIN - 1, PAYLOAD_MAX + 1, u32::MAX] {
            assert_eq!(Plan::new(0..1000, payload), Err(PlanError::Payload(payload)));
        }
        for octets in [0..0, 9..9, Range { start: 9, end: 8 }] {
            assert_eq!(Plan::new(octets, 1316), Err(PlanError::Empty));
        }
    }
}
