//! Flows side by side, flows one after the other, and slots of nobody.

use crate::{
    frame::{Frame, ipv4, ipv6, payload},
    rig::{Expected, REDIRECTED, Rig, SEGMENTER, carrying, expected, settings},
    skb::SkBuff,
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::{flow::FlowState, reason::Skip};

/// Another flow than that of [`settings`], and what becomes of its packets.
fn other() -> FlowState {
    FlowState { ssrc: 0x8765_4321, first_sequence: 3000, payload_type: 96, priority: 0, ..settings() }
}

fn others(number: u32, before: u16) -> Expected {
    let mut wanted = expected(number, before);
    (wanted.rtp.ssrc, wanted.rtp.payload_type) = (0x8765_4321, 96);
    wanted.rtp.sequence += 2000;
    wanted.priority = 0;
    wanted
}

#[test]
fn two_flows_do_not_mix() {
    let mut rig = Rig::new();
    let one = rig.claim(&settings());
    let two = rig.claim(&other());
    assert_ne!(one, two);
    let (frame_one, frame_two) = (Frame::sent(ipv4(), payload(188)), Frame::sent(ipv6(), payload(1316)));
    for round in 0..3u16 {
        let number = u32::from(round);
        rig.send_well("one", one, number.into(), &frame_one, &expected(number, round));
        rig.send_well("two", two, (number + 100).into(), &frame_two, &others(number + 100, round));
    }
    assert_eq!((rig.flow(one).octets, rig.flow(two).octets), (3 * 188, 3 * 1316));
    assert_eq!((rig.flow(one).next_number, rig.flow(two).next_number), (3, 103));
}

#[test]
fn one_flows_batch_is_not_anothers() {
    let mut rig = Rig::new();
    let one = rig.claim(&FlowState { segmenter: SEGMENTER, ..settings() });
    let two = rig.claim(&FlowState { segmenter: SEGMENTER, ..other() });
    let frame = Frame::sent(ipv4(), payload(188));
    let batch = Frame::sent(ipv4(), payload(376)).bytes();
    // Both batches begin with packet 0, and so carry the same priority.
    for (slot, wanted) in [(one, expected as fn(u32, u16) -> Expected), (two, others)] {
        let context = SkBuff { gso_size: 188, gso_segs: 2, ..carrying(slot, 0) };
        assert_eq!(rig.run(BY_SLOT, &batch, context).verdict, REDIRECTED);
        for index in 0..2u16 {
            rig.lay(slot, index.into(), &frame.payload);
            let outcome = rig.send(slot, 0, &frame.bytes());
            outcome.assert_is(&format!("slot {slot}, segment {index}"), &frame, &wanted(index.into(), index));
        }
        assert_eq!(rig.flow(slot).packets, 2);
    }
}

#[test]
fn a_slots_next_flow_does_not_continue_the_last_ones_batch() {
    let mut rig = Rig::new();
    let slot = rig.claim(&FlowState { segmenter: SEGMENTER, ..settings() });
    let batch = Frame::sent(ipv4(), payload(376)).bytes();
    let frame = Frame::sent(ipv4(), payload(188));
    let context = SkBuff { gso_size: 188, gso_segs: 2, ..carrying(slot, 0) };
    assert_eq!(rig.run(BY_SLOT, &batch, context).verdict, REDIRECTED);
    rig.send_well("a segment", slot, 0, &frame, &expected(0, 0));
    rig.release(slot);
    assert_eq!(rig.claim(&other()), slot, "the slot is used again");
    // Its first packet carries what the other flow's batch carried.
    rig.send_well("the next flow", slot, 0, &frame, &others(0, 0));
}

#[test]
fn a_slot_that_is_not_there_is_nobodys_flow() {
    let mut rig = Rig::new();
    let packet = Frame::sent(ipv4(), payload(188)).bytes();
    for (before, slot) in [8, 9, u32::MAX].into_iter().enumerate() {
        let context = carrying(slot, 0);
        rig.run(BY_SLOT, &packet, context).assert_untouched(&format!("slot {slot}"), &packet, &context);
        assert_eq!(rig.skipped()[Skip::NotAFlow as usize], before as u64 + 1, "slot {slot}");
    }
}
