//! Batches: the first pass hands them to the segmenter, the second numbers
//! their segments.

use crate::{
    frame::{Frame, ipv4, ipv6, payload},
    rig::{Counters, DROPPED, Expected, REDIRECTED, Rig, SEGMENTER, carrying, expected, pieces, settings},
    skb::SkBuff,
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::{flow::FlowState, reason::Drop, timeline::Piece};

/// Payload octets of a segment.
const SEGMENT: u32 = 188;

fn with_segmenter() -> FlowState {
    FlowState { segmenter: SEGMENTER, ..settings() }
}

/// The context of a batch whose first packet is `number`.
fn batch_of(slot: u32, number: u64, segments: u32) -> SkBuff {
    SkBuff { gso_size: SEGMENT, gso_segs: segments, ..carrying(slot, number) }
}

/// A batch as the socket hands it over: one large datagram.
fn batch(segments: u32) -> Frame {
    Frame::sent(ipv4(), payload((segments * SEGMENT) as usize))
}

/// One segment of `batch`.
fn segment(batch: &Frame, index: u32) -> Frame {
    let start = (index * SEGMENT) as usize;
    Frame { payload: batch.payload[start..start + SEGMENT as usize].to_vec(), ..batch.clone() }
}

/// Hands over a batch of `segments` from packet `number` on, sums laid.
fn hand_over(rig: &mut Rig, slot: u32, number: u64, segments: u32) -> Frame {
    let frame = batch(segments);
    for index in 0..segments {
        rig.lay(slot, number + u64::from(index), &segment(&frame, index).payload);
    }
    let outcome = rig.run(BY_SLOT, &frame.bytes(), batch_of(slot, number, segments));
    assert_eq!(outcome.verdict, REDIRECTED, "batch from packet {number}");
    frame
}

/// Sends segment `index` of the batch from `number` on, and sees what it became.
fn pass(rig: &mut Rig, slot: u32, number: u64, frame: &Frame, index: u32, wanted: &Expected) {
    let segment = segment(frame, index);
    let outcome = rig.run(BY_SLOT, &segment.bytes(), carrying(slot, number));
    outcome.assert_is(&format!("segment {index} of the batch from packet {number}"), &segment, wanted);
}

#[test]
fn a_batch_without_segmenter_is_dropped_and_counted() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let outcome = rig.run(BY_SLOT, &batch(3).bytes(), batch_of(slot, 0, 3));
    assert_eq!(outcome.verdict, DROPPED);
    let mut counters = Counters::default();
    counters.drops[Drop::Segmenter as usize] = 1;
    assert_eq!(rig.counters(slot), counters);
}

#[test]
fn a_batch_goes_to_the_segmenter_as_it_is() {
    let mut rig = Rig::new();
    for (name, ip, segments) in [
        ("IPv4", ipv4(), 3),
        ("IPv6", ipv6(), 3),
        // The kernel zeroes the count when it wants it taken anew.
        ("segments not counted", ipv4(), 0),
    ] {
        let slot = rig.claim(&with_segmenter());
        let packet = Frame::sent(ip, payload(3 * SEGMENT as usize)).bytes();
        let context = SkBuff { gso_segs: segments, ..batch_of(slot, 0, 3) };
        let outcome = rig.run(BY_SLOT, &packet, context);
        assert_eq!(outcome.verdict, REDIRECTED, "{name}: verdict");
        assert_eq!(outcome.packet, packet, "{name}: packet");
        assert_eq!(outcome.context.priority, context.priority, "{name}: its segments need the number");
        assert_eq!(rig.counters(slot), Counters { batches: 1, ..Counters::default() }, "{name}: counters");
        assert_ne!(rig.flow(slot).last_departure, 0, "{name}: when it left");
        rig.release(slot);
    }
}

#[test]
fn segments_are_numbered_one_after_the_other() {
    let mut rig = Rig::new();
    let slot = rig.claim(&with_segmenter());
    let mut before = 0;
    // The batch from 5 on was lost before the program.
    for (batches, (number, segments)) in [(0, 2), (2, 3), (12, 4), (16, 1)].into_iter().enumerate() {
        let frame = hand_over(&mut rig, slot, number, segments);
        for index in 0..segments {
            let wanted = expected(number as u32 + index, before);
            pass(&mut rig, slot, number, &frame, index, &wanted);
            before += 1;
        }
        let flow = rig.flow(slot);
        assert_eq!(flow.batches, batches as u64 + 1);
        assert_eq!((flow.packets, flow.next_number), (before.into(), number + u64::from(segments)));
    }
}

#[test]
fn a_batch_that_comes_back_whole_is_the_same_batch() {
    let mut rig = Rig::new();
    let slot = rig.claim(&with_segmenter());
    for _ in 0..2 {
        hand_over(&mut rig, slot, 0, 2);
        assert_eq!(rig.flow(slot).batches, 1);
    }
    let frame = batch(2);
    pass(&mut rig, slot, 0, &frame, 0, &expected(0, 0));
    pass(&mut rig, slot, 0, &frame, 1, &expected(1, 1));
}

#[test]
fn a_segment_that_is_dropped_leaves_the_others_their_numbers() {
    let mut rig = Rig::new();
    let slot = rig.claim(&with_segmenter());
    let frame = hand_over(&mut rig, slot, 0, 3);
    pass(&mut rig, slot, 0, &frame, 0, &expected(0, 0));
    let mut broken = segment(&frame, 1).bytes();
    broken.pop();
    assert_eq!(rig.run(BY_SLOT, &broken, carrying(slot, 0)).verdict, DROPPED);
    pass(&mut rig, slot, 0, &frame, 2, &expected(2, 1));
    assert_eq!(rig.counters(slot).drops[Drop::Shape as usize], 1);
}

#[test]
fn departure_times_go_along_the_segments() {
    let piece = Piece { departure: 1 << 40, gap: 1000, timestamp: 900_000, step: 450, ..Piece::default() };
    let mut rig = Rig::new();
    let slot = rig.claim(&FlowState { pieces: pieces(&[piece]), ..with_segmenter() });
    let frame = hand_over(&mut rig, slot, 0, 3);
    for index in 0..3u16 {
        let departure = (1 << 40) + 1000 * u64::from(index);
        let wanted = Expected { departure, ..expected(index.into(), index) };
        pass(&mut rig, slot, 0, &frame, index.into(), &wanted);
        assert_eq!(rig.flow(slot).last_departure, departure);
    }
}

#[test]
fn a_datagram_alone_after_a_batch_has_its_own_number() {
    let mut rig = Rig::new();
    let slot = rig.claim(&with_segmenter());
    let frame = hand_over(&mut rig, slot, 0, 2);
    pass(&mut rig, slot, 0, &frame, 0, &expected(0, 0));
    pass(&mut rig, slot, 0, &frame, 1, &expected(1, 1));
    let alone = Frame::sent(ipv4(), payload(188));
    rig.send_well("alone", slot, 2, &alone, &expected(2, 2));
}

#[test]
fn a_batch_is_not_remembered_for_a_number_one_turn_later() {
    let turn = 1 << 24;
    let mut rig = Rig::new();
    let slot = rig.claim(&FlowState { next_number: turn - 1, ..with_segmenter() });
    let frame = hand_over(&mut rig, slot, turn - 2, 2);
    for index in 0..2u16 {
        let mut wanted = expected(0, index);
        wanted.rtp.timestamp =
            900_000u32.wrapping_add(450u32.wrapping_mul(turn as u32 - 2 + u32::from(index)));
        pass(&mut rig, slot, turn - 2, &frame, index.into(), &wanted);
    }
    // One turn later by datagrams alone, as a flow that had filled its
    // receiver's buffer first.
    let alone = Frame::sent(ipv4(), payload(188));
    for step in 1..=4u16 {
        let number = turn - 2 + turn / 4 * u64::from(step);
        let mut wanted = expected(0, 1 + step);
        wanted.rtp.timestamp = 900_000u32.wrapping_add(450u32.wrapping_mul(number as u32));
        rig.send_well(&format!("packet {number}"), slot, number, &alone, &wanted);
    }
}
