//! The UDP checksum: its edges, its absence, and sums that are not there.

use crate::{
    frame::{ETH, Frame, UdpChecksum, ipv4, ipv6, naive_sum, payload, udp_checksum_is_right},
    rig::{Counters, DROPPED, Expected, NEXT, Rig, carrying, expected, settings},
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::{
    flow::FlowState,
    notes::RING,
    reason::{DROPS, Drop},
};

/// A datagram whose UDP checksum, computed behind its RTP header, comes out as
/// `field`: its first two payload octets see to that.
fn datagram_with_field(mut frame: Frame, wanted: &Expected, field: u16) -> Frame {
    frame.payload[..2].fill(0);
    let rtp = frame.as_rtp(wanted.rtp, UdpChecksum::Full).bytes();
    let place = ETH + frame.ip_length() + 6;
    let without = !u16::from_be_bytes([rtp[place], rtp[place + 1]]);
    // without + word = !field, in one's complement.
    let word = naive_sum(&[(!without).to_be_bytes(), (!field).to_be_bytes()].concat());
    frame.payload[..2].copy_from_slice(&word.to_be_bytes());
    frame
}

#[test]
fn a_checksum_that_comes_out_as_zero_is_sent_as_ones() {
    let mut rig = Rig::new();
    for (name, ip, length) in [
        ("IPv4", ipv4(), 188),
        ("IPv4, odd", ipv4(), 1315),
        ("IPv6", ipv6(), 1316),
        ("IPv6, odd", ipv6(), 49),
    ] {
        let slot = rig.claim(&settings());
        let wanted = expected(0, 0);
        let frame = datagram_with_field(Frame::sent(ip, payload(length)), &wanted, 0);
        rig.lay(slot, 0, &frame.payload);
        let outcome = rig.send(slot, 0, &frame.bytes());
        outcome.assert_is(name, &frame, &wanted);
        let place = ETH + frame.ip_length() + 6;
        assert_eq!(outcome.packet[place..place + 2], [0xff, 0xff], "{name}: on the wire");
        rig.release(slot);
    }
}

#[test]
fn checksums_next_to_zero_are_sent_as_they_are() {
    let mut rig = Rig::new();
    for field in [1, 2, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xfffe] {
        let name = format!("field {field:#06x}");
        let slot = rig.claim(&settings());
        let wanted = expected(0, 0);
        let frame = datagram_with_field(Frame::sent(ipv6(), payload(188)), &wanted, field);
        rig.lay(slot, 0, &frame.payload);
        let outcome = rig.send(slot, 0, &frame.bytes());
        outcome.assert_is(&name, &frame, &wanted);
        let place = ETH + frame.ip_length() + 6;
        assert_eq!(outcome.packet[place..place + 2], field.to_be_bytes(), "{name}: on the wire");
        rig.release(slot);
    }
}

#[test]
fn payloads_that_sum_to_either_zero() {
    let mut rig = Rig::new();
    for (name, octet) in [("all zeros", 0), ("all ones", 0xff)] {
        for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
            for length in [188, 189] {
                let name = format!("{name}, {family}, {length} octets");
                let slot = rig.claim(&settings());
                let frame = Frame::sent(ip.clone(), vec![octet; length]);
                rig.send_well(&name, slot, 0, &frame, &expected(0, 0));
                rig.release(slot);
            }
        }
    }
}

#[test]
fn a_flow_without_checksum_writes_none() {
    let mut rig = Rig::new();
    let slot = rig.claim(&FlowState { checksum: 0, ..settings() });
    for (number, length) in [188, 189, 1316].into_iter().enumerate() {
        let frame = Frame::sent(ipv4(), payload(length));
        let wanted =
            Expected { udp_checksum: UdpChecksum::Literal(0), ..expected(number as u32, number as u16) };
        rig.send_well(&format!("{length} octets"), slot, number as u64, &frame, &wanted);
    }
    assert_eq!(rig.counters(slot).drops, [0; DROPS]);
}

/// Which packet is noted, and which packet is sent.
const NOTES_OF_OTHERS: [(&str, Option<u64>, u64); 6] = [
    ("nothing noted", None, 0),
    ("the packet before", Some(6), 7),
    ("one turn of the ring too old", Some(7), 7 + RING as u64),
    ("one turn too new", Some(7 + RING as u64), 7),
    ("many turns too old", Some(7), 7 + 1000 * RING as u64),
    ("the first packet's, for the first of the second turn", Some(0), RING as u64),
];

#[test]
fn a_packet_without_its_own_note_is_dropped_and_counted() {
    let mut rig = Rig::new();
    for (name, laid, number) in NOTES_OF_OTHERS {
        let slot = rig.claim(&settings());
        let frame = Frame::sent(ipv4(), payload(188));
        if let Some(laid) = laid {
            rig.lay(slot, laid, &frame.payload);
        }
        let outcome = rig.send(slot, number, &frame.bytes());
        assert_eq!(outcome.verdict, DROPPED, "{name}: verdict");
        let mut counters = Counters::default();
        counters.drops[Drop::Note as usize] = 1;
        assert_eq!(rig.counters(slot), counters, "{name}: counters");
        // What comes after it leaves with the first sequence number.
        rig.send_well(name, slot, number + 1, &frame, &expected(number as u32 + 1, 0));
        rig.release(slot);
    }
}

#[test]
fn the_ring_serves_turn_after_turn() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let mut frame = Frame::sent(ipv4(), payload(188));
    let turn = RING as u32;
    let numbers = [turn - 3, turn - 2, turn - 1, turn, turn + 1, 2 * turn - 1, 2 * turn];
    for (before, number) in numbers.into_iter().enumerate() {
        frame.payload[0] = number as u8;
        let wanted = expected(number, before as u16);
        rig.send_well(&format!("packet {number}"), slot, number.into(), &frame, &wanted);
    }
}

#[test]
fn the_sum_is_taken_on_trust() {
    // What a wrong index would do: the packet leaves, its checksum wrong. The
    // program cannot know, user space must not lay it.
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let frame = Frame::sent(ipv4(), payload(188));
    rig.lay(slot, 0, &payload(186));
    let outcome = rig.run(BY_SLOT, &frame.bytes(), carrying(slot, 0));
    assert_eq!(outcome.verdict, NEXT);
    assert!(!udp_checksum_is_right(&outcome.packet));
}
