use super::{BLOCK, BadHead, HEAD, Head, Kind, LONGEST_PATH, Numbers, Timing, decode_end, encode_end};
use crate::media::{Encoding, clock::Knot, identity::Identity, plan::PAYLOAD_MAX};
use proptest::prelude::*;
use std::path::PathBuf;

fn identities() -> impl Strategy<Value = Identity> {
    (any::<[u64; 3]>(), any::<[i64; 2]>()).prop_map(|([device, inode, size], [modified, changed])| Identity {
        device,
        inode,
        size,
        modified,
        changed,
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    let encodings = prop_oneof![
        Just(None),
        (prop_oneof![Just("MP2T"), Just("L16"), Just("L24"), Just("PCMU"), Just("PCMA")], 1u16..64)
            .prop_map(|(name, channels)| Some(Encoding { name, channels })),
    ];
    let timing = (0u32..3, any::<u32>(), any::<u64>());
    let numbers = (16u32..=PAYLOAD_MAX, any::<u32>(), 0u8..128, 1u32..);
    (identities(), 0u64..1 << 40, 1u64..1 << 45, numbers, encodings, timing).prop_map(
        |(
            identity,
            from,
            length,
            (payload, unit, payload_type, clock_rate),
            encoding,
            (kind, hertz, value),
        )| {
            Kind {
                identity,
                octets: from..from + length,
                payload,
                unit,
                payload_type,
                clock_rate,
                encoding,
                timing: Timing { kind, hertz, value },
            }
        },
    )
}

fn heads() -> impl Strategy<Value = Head> {
    let path = "/[a-z/]{0,80}".prop_map(PathBuf::from);
    (kinds(), any::<(u32, u16, u32)>(), 0u64..1 << 20, path).prop_map(
        |(kind, (ssrc, sequence, timestamp), knots, source)| Head {
            kind,
            numbers: Numbers { ssrc, sequence, timestamp },
            knots,
            source,
        },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_read(head in heads()) {
        prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
    }

    #[test]
    fn one_bit_is_enough_for_a_head(head in heads(), octet in 0..HEAD, bit in 0u8..8) {
        let mut page = head.encode();
        page[octet] ^= 1 << bit;
        let expected = match octet {
            0..8 => BadHead::Foreign,
            8..12 => BadHead::Version(1 ^ 1 << (u32::from(bit) + 8 * (octet as u32 - 8))),
            _ => BadHead::Damaged,
        };
        prop_assert_eq!(Head::decode(&page), Err(expected));
    }

    /// Packets stand one behind the other, as if they had been written in turn.
    #[test]
    fn packets_have_places(payload in 16u32..2000, length in 1u64..200_000, max in 1usize..70, head in heads()) {
        let kind = Kind { octets: 7..7 + length, payload, ..head.kind.clone() };
        let plan = kind.plan().expect("in range");
        let head = Head { kind, ..head };
        let (mut at, mut packet) = (HEAD as u64, 0);
        while packet < plan.packets() {
            let batch = plan.batch(packet, max);
            let place = Head::place(payload, batch.first, batch.packets, batch.octets);
            prop_assert_eq!(place.start, at);
            for number in packet..packet + batch.packets as u64 {
                at += 12 + u64::from(plan.len_of(number));
            }
            prop_assert_eq!(place.end, at);
            packet += batch.packets as u64;
        }
        prop_assert_eq!(at, HEAD as u64 + head.packet_octets());
        prop_assert_eq!(head.blocks(), head.packet_octets().div_ceil(BLOCK));
    }

    #[test]
    fn the_end_is_read_or_refused(
        head in heads(), knots in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..40), sum: u32,
        place: prop::sample::Index, bit in 0u8..8,
    ) {
        let knots: Vec<_> = knots.into_iter().map(|(octet, ticks)| Knot { octet, ticks }).collect();
        let kind = Kind { octets: 0..5 * BLOCK, payload: 1316, ..head.kind.clone() };
        let head = Head { kind, knots: knots.len() as u64, ..head };
        let sums: Vec<_> = (0..head.blocks() as u32).map(|block| block.wrapping_mul(sum)).collect();
        let mut end = encode_end(&knots, &sums);
        prop_assert_eq!(HEAD as u64 + head.packet_octets() + end.len() as u64, head.octets().expect("small"));
        prop_assert_eq!(decode_end(&head, &end), Some((knots, sums)));
        let place = place.index(end.len());
        // Four octets of nothing follow the checksum.
        if !(end.len() - 12..end.len() - 8).contains(&place) {
            end[place] ^= 1 << bit;
            prop_assert_eq!(decode_end(&head, &end), None, "octet {} of {}", place, end.len());
        }
        prop_assert_eq!(decode_end(&head, &end[1..]), None);
    }

    #[test]
    fn no_octets_are_too_strange(page in proptest::collection::vec(any::<u8>(), HEAD), right: bool) {
        let mut page: Box<[u8; HEAD]> = page.try_into().expect("a page");
        page[..8].copy_from_slice(&super::MAGIC);
        page[8..12].copy_from_slice(&1u32.to_le_bytes());
        if right {
            let check = crc32fast::hash(&page[..HEAD - 4]);
            page[HEAD - 4..].copy_from_slice(&check.to_le_bytes());
        }
        prop_assert_eq!(Head::decode(&page), Err(BadHead::Damaged));
    }
}

#[test]
fn the_longest_path_has_room() {
    let head = Head {
        kind: Kind {
            identity: Identity { device: 1, inode: 2, size: 3, modified: 4, changed: 5 },
            octets: 0..1316,
            payload: 1316,
            unit: 188,
            payload_type: 33,
            clock_rate: 90_000,
            encoding: None,
            timing: Timing::default(),
        },
        numbers: Numbers::default(),
        knots: 0,
        source: "a".repeat(LONGEST_PATH).into(),
    };
    assert_eq!(Head::decode(&head.encode()), Ok(head));
}
