//! A bystander comes out as it went in, whatever its bytes.

use crate::{
    frame::{
        ETH, Frame, Rtp, UdpChecksum, ip_checksum_is_right, ipv4, ipv6, naive_sum, payload,
        udp_checksum_is_right,
    },
    rig::{DROPPED, NEXT, Rig, carrying, settings},
    shape::{Named, strange},
    skb::SkBuff,
};
use krtp::kernel::object::{BY_SLOT, EGRESS};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};
use rtp_common::{
    carrier,
    reason::{Drop, SKIPS, Skip},
};
use std::cell::RefCell;

/// Priorities that are not our mark, near it or in use elsewhere.
const PRIORITIES: [u32; 9] =
    [0, 6, 0xa500, 0x00a5_0000, 0xa3ff_ffff, 0xa600_0000, 0x5a00_0000, 0x8001_0001, u32::MAX];

/// Every packet of a table: the strange ones and two of the plainest.
fn everything() -> Vec<Named> {
    let mut packets = strange();
    packets.push(("plain IPv4".to_owned(), Frame::sent(ipv4(), payload(188)).bytes()));
    packets.push(("plain IPv6".to_owned(), Frame::sent(ipv6(), payload(1316)).bytes()));
    packets.push(("nothing but an Ethernet header".to_owned(), vec![0xaa; ETH]));
    packets
}

#[test]
fn without_our_mark_nothing_is_touched() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let before = rig.flow(slot);
    for (name, packet) in everything() {
        for program in [EGRESS, BY_SLOT] {
            for priority in PRIORITIES {
                for gso_size in [0, 100] {
                    let context = SkBuff { priority, gso_size, mark: 7, tstamp: 9, ..carrying(slot, 0) };
                    let name = format!("{name}, {program}, priority {priority:#x}, gso_size {gso_size}");
                    rig.run(program, &packet, context).assert_untouched(&name, &packet, &context);
                }
            }
        }
    }
    assert_eq!(rig.flow(slot), before);
    assert_eq!(rig.skipped(), [0; SKIPS]);
}

#[test]
fn with_our_mark_but_no_flow_nothing_is_touched_and_it_is_counted() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let before = rig.flow(slot);
    for (count, (name, packet)) in everything().into_iter().enumerate() {
        let context = carrying(slot, count as u64);
        rig.run(EGRESS, &packet, context).assert_untouched(&name, &packet, &context);
        // A test run's socket is one, but no flow's.
        assert_eq!(rig.skipped()[Skip::NotAFlow as usize], count as u64 + 1, "{name}: skipped");
    }
    assert_eq!(rig.flow(slot), before);
}

/// Runs `test` on many inputs, with one loaded program.
fn with_many<T: std::fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    test: impl Fn(&mut Rig, T) -> TestCaseResult,
) {
    let rig = RefCell::new(Rig::new());
    let config = Config { failure_persistence: None, ..Config::with_cases(cases) };
    TestRunner::new(config)
        .run(&strategy, |case| test(&mut rig.borrow_mut(), case))
        .unwrap_or_else(|error| panic!("{error}"));
}

fn priority() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), any::<u64>().prop_map(carrier::encode), Just(carrier::COUNTED)]
}

/// Any octets, and often an ethertype that leads the program further.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let ethertype = prop_oneof![Just(Some([0x08, 0x00])), Just(Some([0x86, 0xdd])), Just(None)];
    // 54 octets: below, newer kernels refuse what says that it is IP.
    (prop::collection::vec(any::<u8>(), 54..1600), ethertype).prop_map(|(mut octets, ethertype)| {
        if let Some(ethertype) = ethertype {
            octets[12..14].copy_from_slice(&ethertype);
        }
        octets
    })
}

#[test]
fn random_octets_pass_the_attached_program_untouched() {
    with_many(4000, (octets(), priority(), 0u32..2), |rig, (packet, priority, gso_size)| {
        let context = SkBuff { priority, gso_size, ..SkBuff::default() };
        let before = rig.skipped();
        let outcome = rig.run(EGRESS, &packet, context);
        prop_assert_eq!(outcome.verdict, NEXT);
        prop_assert!(outcome.packet == packet, "altered");
        prop_assert_eq!(outcome.context.priority, priority);
        let mut skipped = before;
        skipped[Skip::NotAFlow as usize] += u64::from(carrier::is_carrier(priority));
        prop_assert_eq!(rig.skipped(), skipped);
        Ok(())
    });
}

#[test]
fn random_octets_of_a_flow_are_dropped_and_counted() {
    with_many(2000, octets(), |rig, packet| {
        let slot = rig.claim(&settings());
        rig.lay(slot, 0, &[]);
        let outcome = rig.send(slot, 0, &packet);
        let flow = rig.flow(slot);
        rig.release(slot);
        prop_assert_eq!(outcome.verdict, DROPPED);
        prop_assert_eq!((flow.packets, flow.octets, flow.next_number), (0, 0, 0));
        prop_assert_eq!(flow.drops[Drop::Shape as usize], 1);
        Ok(())
    });
}

/// A datagram of a flow in which a few octets have changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((0usize..80, any::<u8>()), 0..3);
    (any::<bool>(), prop::collection::vec(any::<u8>(), 12..300), damage).prop_map(|(v4, payload, damage)| {
        let mut packet = Frame::sent(if v4 { ipv4() } else { ipv6() }, payload).bytes();
        for (at, octet) in damage {
            if let Some(place) = packet.get_mut(at) {
                *place = octet;
            }
        }
        packet
    })
}

/// Octets of the IP header if `packet` is one whole plain UDP datagram.
fn plain(packet: &[u8]) -> Option<usize> {
    let field = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let (header, udp_length, plain) = match field(12) {
        0x0800 => {
            let fragment = field(ETH + 6) & 0x3fff != 0;
            let whole = packet[ETH] == 0x45 && packet[ETH + 9] == 17 && !fragment;
            (20, field(ETH + 2).wrapping_sub(20), whole)
        }
        0x86dd => (40, field(ETH + 4), packet[ETH] >> 4 == 6 && packet[ETH + 6] == 17),
        _ => return None,
    };
    let udp = ETH + header;
    if packet.len() < udp + 8 {
        return None;
    }
    (plain && field(udp + 4) == udp_length && packet.len() - udp == udp_length).then_some(header)
}

#[test]
fn a_damaged_datagram_of_a_flow_is_dropped_or_rewritten_right() {
    with_many(3000, damaged(), |rig, packet| {
        let slot = rig.claim(&settings());
        let plain = plain(&packet);
        let payload = ETH + plain.unwrap_or(20) + 8;
        rig.lay(slot, 0, packet.get(payload..).unwrap_or_default());
        let outcome = rig.send(slot, 0, &packet);
        let flow = rig.flow(slot);
        rig.release(slot);
        let Some(header) = plain else {
            prop_assert_eq!(outcome.verdict, DROPPED);
            prop_assert_eq!((flow.packets, flow.drops[Drop::Shape as usize]), (0, 1));
            return Ok(());
        };
        prop_assert_eq!(outcome.verdict, NEXT);
        prop_assert_eq!((flow.packets, flow.octets), (1, (packet.len() - payload) as u64));
        prop_assert!(outcome.packet == rewritten(&packet, header), "got {:02x?}", outcome.packet);
        prop_assert!(udp_checksum_is_right(&outcome.packet), "UDP checksum");
        prop_assert_eq!(ip_checksum_is_right(&outcome.packet), ip_checksum_is_right(&packet));
        Ok(())
    });
}

/// `packet`, a plain datagram with an IP header of `header` octets, as the RTP
/// packet 0 of the flow with [`settings`]: what differs from the builder's own
/// packet is what was damaged.
fn rewritten(packet: &[u8], header: usize) -> Vec<u8> {
    let udp = ETH + header;
    let rtp = Rtp { payload_type: 33, marker: false, sequence: 1000, timestamp: 900_000, ssrc: 0x1234_5678 };
    let frame = Frame::sent(ipv4(), packet[udp + 8..].to_vec()).as_rtp(rtp, UdpChecksum::Full);
    let length = (frame.payload.len() + 8) as u16;
    let mut wanted = [&packet[..udp + 8], &frame.payload].concat();
    wanted[udp + 4..udp + 6].copy_from_slice(&length.to_be_bytes());
    if header == 20 {
        // A header checksum that was off stays off by as much.
        let off = naive_sum(&packet[ETH..udp]);
        wanted[ETH + 2..ETH + 4].copy_from_slice(&(length + 20).to_be_bytes());
        wanted[ETH + 10..ETH + 12].fill(0);
        let rest = !naive_sum(&wanted[ETH..udp]);
        let checksum = match naive_sum(&[off.to_be_bytes(), rest.to_be_bytes()].concat()) {
            // The other representation of zero (RFC 1624 §3).
            0xffff => 0,
            checksum => checksum,
        };
        wanted[ETH + 10..ETH + 12].copy_from_slice(&checksum.to_be_bytes());
    } else {
        wanted[ETH + 4..ETH + 6].copy_from_slice(&length.to_be_bytes());
    }
    let addresses = if header == 20 { ETH + 12..udp } else { ETH + 8..udp };
    wanted[udp + 6..udp + 8].fill(0);
    let covered = [&wanted[addresses], &[0, 17], &length.to_be_bytes(), &wanted[udp..]].concat();
    let field = Some(!naive_sum(&covered)).filter(|&field| field != 0).unwrap_or(0xffff);
    wanted[udp + 6..udp + 8].copy_from_slice(&field.to_be_bytes());
    wanted
}
