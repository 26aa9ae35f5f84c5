//! The right thing: a plain datagram becomes an RTP packet.

use crate::{
    frame::{Frame, Ip, ipv4, ipv6, payload},
    rig::{Counters, DROPPED, Expected, Rig, carrying, expected, pieces, settings},
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::{
    flow::FlowState,
    reason::{self, SKIPS},
    timeline::{MARKER, PIECES, Piece},
};

/// Payload lengths: one and seven MPEG-TS packets, odd ones, and the longest
/// for 1,500 octets of IPv4.
const LENGTHS: [usize; 7] = [188, 255, 1316, 1447, 1451, 1453, 1460];

#[test]
fn every_payload_length_becomes_a_packet() {
    let mut rig = Rig::new();
    for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
        let slot = rig.claim(&settings());
        let mut octets = 0;
        for (number, length) in LENGTHS.into_iter().enumerate() {
            let name = format!("{family}, {length} octets");
            let number = number as u32;
            let frame = Frame::sent(ip.clone(), payload(length));
            rig.send_well(&name, slot, u64::from(number), &frame, &expected(number, number as u16));
            octets += length as u64;
            let counters = Counters {
                packets: u64::from(number) + 1,
                octets,
                next_number: u64::from(number) + 1,
                next_sequence: 1001 + number,
                last_timestamp: 900_000 + 450 * number,
                ..Counters::default()
            };
            assert_eq!(rig.counters(slot), counters, "{name}: counters");
        }
        assert_eq!(rig.skipped(), [0; SKIPS], "{family}: skipped");
        rig.release(slot);
    }
}

/// Below 28 octets (IPv6: 48) the packet is too short for what the program
/// takes apart at once.
#[test]
fn every_short_payload_becomes_a_packet() {
    let mut rig = Rig::new();
    for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
        let slot = rig.claim(&settings());
        for length in 0..=64 {
            let name = format!("{family}, {length} octets");
            let frame = Frame::sent(ip.clone(), payload(length));
            let number = length as u32;
            rig.send_well(&name, slot, u64::from(number), &frame, &expected(number, number as u16));
        }
        assert_eq!(rig.flow(slot).octets, (0..=64).sum::<u64>(), "{family}");
        rig.release(slot);
    }
}

#[test]
fn no_field_of_the_lower_headers_is_touched_but_lengths_and_checksums() {
    let v4 = |tos, id, flags, ttl| Ip::V4 {
        tos,
        id,
        flags,
        ttl,
        source: [10, 0, 0, 1],
        destination: [255, 255, 255, 254],
    };
    let v6 = |traffic_class, flow_label, hop_limit, source| Ip::V6 {
        traffic_class,
        flow_label,
        hop_limit,
        source: [source; 16],
        destination: [0xff; 16],
    };
    let cases = [
        ("IPv4, all low", v4(0, 0, 0, 0)),
        ("IPv4, all high", v4(0xff, 0xffff, 0x4000, 0xff)),
        ("IPv4, may be fragmented", v4(0x20, 0x8001, 0, 64)),
        ("IPv4, the reserved flag", v4(0x01, 7, 0xc000, 1)),
        ("IPv6, all low", v6(0, 0, 0, 0)),
        ("IPv6, all high", v6(0xff, 0xf_ffff, 0xff, 0xff)),
        ("IPv6, flow label only", v6(0, 0x8_0001, 64, 0xfe)),
    ];
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    for (number, (name, ip)) in cases.into_iter().enumerate() {
        let mut frame = Frame::sent(ip, payload(188));
        (frame.source_port, frame.destination_port) = (0xffff, 1);
        let number = number as u32;
        rig.send_well(name, slot, u64::from(number), &frame, &expected(number, number as u16));
    }
}

#[test]
fn the_header_says_what_the_flow_says() {
    let mut rig = Rig::new();
    let any = settings();
    let cases = [
        ("SSRC zero", FlowState { ssrc: 0, ..any }),
        ("SSRC all ones", FlowState { ssrc: u32::MAX, ..any }),
        ("payload type 0", FlowState { payload_type: 0, ..any }),
        ("payload type 127", FlowState { payload_type: 127, ..any }),
        ("priority zero", FlowState { priority: 0, ..any }),
        ("a class of tc", FlowState { priority: 0x8001_0010, ..any }),
    ];
    for (name, flow) in cases {
        let slot = rig.claim(&flow);
        let mut wanted = expected(0, 0);
        wanted.rtp.ssrc = flow.ssrc;
        wanted.rtp.payload_type = flow.payload_type;
        wanted.priority = flow.priority;
        rig.send_well(name, slot, 0, &Frame::sent(ipv4(), payload(188)), &wanted);
        rig.release(slot);
    }
}

#[test]
fn sequence_numbers_wrap() {
    let mut rig = Rig::new();
    let slot = rig.claim(&FlowState { first_sequence: 65_534, ..settings() });
    let frame = Frame::sent(ipv6(), payload(188));
    for (number, (sequence, next)) in [(65_534, 65_535), (65_535, 0), (0, 1), (1, 2)].into_iter().enumerate()
    {
        let mut wanted = expected(number as u32, 0);
        wanted.rtp.sequence = sequence;
        rig.send_well(&format!("sequence {sequence}"), slot, number as u64, &frame, &wanted);
        assert_eq!(rig.flow(slot).next_sequence, next, "after sequence {sequence}");
    }
}

#[test]
fn sequence_numbers_count_packets_and_timestamps_follow_numbers() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let frame = Frame::sent(ipv4(), payload(188));
    // A batch lost before the program leaves a hole in the numbers, and a
    // neighbour's queue may empty out of turn: no gap on the wire for either.
    for (before, number) in [0u32, 1, 50, 49, 51, 5000].into_iter().enumerate() {
        let name = format!("packet {number}");
        rig.send_well(&name, slot, u64::from(number), &frame, &expected(number, before as u16));
        assert_eq!(rig.flow(slot).next_number, u64::from(number) + 1, "{name}: next number");
    }
}

/// A point on a flow's timeline and what must be read there.
struct Point {
    name: &'static str,
    pieces: [Piece; PIECES],
    place: usize,
    number: u64,
    timestamp: u32,
    marker: bool,
    departure: u64,
}

#[test]
fn timestamp_marker_and_departure_follow_the_noted_piece() {
    let mut rig = Rig::new();
    let first =
        Piece { departure: 5_000_000_000, gap: 1_000_000, timestamp: 100, step: 90, ..Piece::default() };
    let second =
        Piece { first: 40, departure: 7_000_000_000, gap: 500_000, timestamp: 1_000_000, step: 45, ..first };
    let half =
        Piece { step: 3003, step_fraction: 1 << 31, gap: 33_366_666, gap_fraction: 0xaaaa_aaaa, ..first };
    let begun = Piece { timestamp_fraction: 1 << 31, ..half };
    let slow = Piece { gap: 10_000_000_000, ..first };
    let late = Piece { timestamp: u32::MAX - 100, ..first };
    let far = Piece { first: 1 << 33, ..first };
    let marked = Piece { flags: MARKER, ..second };
    let mut last = pieces(&[first]);
    last[PIECES - 1] = second;
    let two = pieces(&[first, second]);
    let one = |piece| pieces(&[piece]);
    let point = |name, pieces, place, number, timestamp, departure| Point {
        name,
        pieces,
        place,
        number,
        timestamp,
        marker: false,
        departure,
    };
    let points = [
        point("the first packet", two, 0, 0, 100, 5_000_000_000),
        point("along the piece", two, 0, 10, 1000, 5_010_000_000),
        point("the last of the first piece", two, 0, 39, 100 + 39 * 90, 5_039_000_000),
        point("the first of the second", two, 1, 40, 1_000_000, 7_000_000_000),
        point("along the second", two, 1, 41, 1_000_045, 7_000_500_000),
        point("the last place", last, PIECES - 1, 41, 1_000_045, 7_000_500_000),
        point("half ticks round down", one(half), 0, 3, 100 + 9010, 5_100_099_999),
        point("half ticks from half a tick on", one(begun), 0, 3, 100 + 9011, 5_100_099_999),
        point("ten seconds a packet", one(slow), 0, 9, 910, 95_000_000_000),
        point("the last before the wrap", one(late), 0, 1, u32::MAX - 10, 5_001_000_000),
        point("the wrap", one(late), 0, 2, 79, 5_002_000_000),
        point("number beyond 32 bits", one(far), 0, (1 << 33) + 2, 280, 5_002_000_000),
        point("no departure", one(Piece { departure: 0, ..first }), 0, 7, 730, 0),
        Point { marker: true, ..point("the seam", one(marked), 0, 40, 1_000_000, 7_000_000_000) },
        point("behind the seam", one(marked), 0, 41, 1_000_045, 7_000_500_000),
    ];
    for Point { name, pieces, place, number, timestamp, marker, departure } in points {
        // Its next number, so that the 24 bits that travel find this one.
        let flow = rig.claim(&FlowState { pieces, next_number: number, ..settings() });
        let mut wanted = Expected { departure, ..expected(0, 0) };
        (wanted.rtp.timestamp, wanted.rtp.marker) = (timestamp, marker);
        let frame = Frame::sent(ipv4(), payload(188));
        rig.lay_on(place, flow, number, &frame.payload);
        rig.send_noted(name, flow, number, &frame, &wanted);
        let state = rig.flow(flow);
        assert_eq!(state.last_timestamp, timestamp, "{name}: last timestamp");
        if departure == 0 {
            assert_ne!(state.last_departure, 0, "{name}: when it left");
        } else {
            assert_eq!(state.last_departure, departure, "{name}: last departure");
        }
        rig.release(flow);
    }
}

#[test]
fn a_packet_that_finds_a_later_piece_is_dropped_and_counted() {
    let mut rig = Rig::new();
    let piece = Piece { first: 40, ..settings().pieces[0] };
    let slot = rig.claim(&FlowState { pieces: pieces(&[piece]), ..settings() });
    let frame = Frame::sent(ipv4(), payload(188));
    rig.lay(slot, 39, &frame.payload);
    assert_eq!(rig.send(slot, 39, &frame.bytes()).verdict, DROPPED);
    let mut counters = Counters::default();
    counters.drops[reason::Drop::Note as usize] = 1;
    assert_eq!(rig.counters(slot), counters);
    // It takes no sequence number, and the piece's own packets follow.
    let mut wanted = expected(0, 0);
    wanted.rtp.timestamp = piece.timestamp;
    rig.send_well("the piece's first", slot, 40, &frame, &wanted);
}

#[test]
fn numbers_travel_in_24_bits_and_come_back_whole() {
    let mut rig = Rig::new();
    let turn = 1u64 << 24;
    for (near, number) in [
        (0, 0),
        (turn - 1, turn - 1),
        (turn - 1, turn),
        (turn, turn - 1),
        (5 * turn + 3, 5 * turn + 1000),
        (5 * turn + 3, 5 * turn - 1000),
        (turn << 20, turn << 20),
    ] {
        let slot = rig.claim(&FlowState { next_number: near, ..settings() });
        let mut wanted = expected(0, 0);
        wanted.rtp.timestamp = 900_000u32.wrapping_add(450u32.wrapping_mul(number as u32));
        let name = format!("packet {number} near {near}");
        rig.send_well(&name, slot, number, &Frame::sent(ipv4(), payload(188)), &wanted);
        assert_eq!(rig.flow(slot).next_number, number + 1, "{name}");
        rig.release(slot);
    }
}

#[test]
fn the_foreign_part_of_the_context_stays() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let frame = Frame::sent(ipv4(), payload(188));
    rig.lay(slot, 0, &frame.payload);
    let mut context = carrying(slot, 0);
    (context.mark, context.tstamp, context.cb[4]) = (0xfeed, 77, 99);
    let outcome = rig.run(BY_SLOT, &frame.bytes(), context);
    // The flow has no departure time, so another's stays.
    outcome.assert_is("with mark", &frame, &Expected { departure: 77, ..expected(0, 0) });
    assert_eq!((outcome.context.mark, outcome.context.cb), (0xfeed, context.cb));
}
