//! Prepared packets pass as they are, and are counted.

use crate::{
    frame::{Frame, ipv4, ipv6, payload},
    rig::{Counters, NEXT, Rig, carrying, settings},
    shape::strange,
    skb::SkBuff,
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::{carrier, flow::FlowState, reason::SKIPS};

/// Octets of an RTP header.
const RTP: usize = 12;

/// The context of prepared packets of the flow in `slot`, cut into `segment` octets; zero: one alone.
fn prepared(slot: u32, segment: u32) -> SkBuff {
    SkBuff { priority: carrier::COUNTED, gso_size: segment, mark: 7, tstamp: 9, ..carrying(slot, 0) }
}

/// Runs a packet through, and sees that nothing but the priority changed.
fn pass(rig: &mut Rig, name: &str, packet: &[u8], context: SkBuff) {
    let outcome = rig.run(BY_SLOT, packet, context);
    let given_back = SkBuff { priority: settings().priority, ..context };
    outcome.assert_untouched(name, packet, &given_back);
}

#[test]
fn batches_and_datagrams_are_counted_and_left_alone() {
    let mut rig = Rig::new();
    // Octets behind the UDP header, of what segments, and what that holds.
    for (name, octets, segment, packets, batches) in [
        ("a batch", 3 * 200, 200, 3, 1),
        ("a shorter last packet", 2 * 200 + 13, 200, 3, 1),
        ("a batch of one", 150, 200, 1, 1),
        ("the shortest packets", 5 * 13, 13, 5, 1),
        ("a datagram", 1328, 0, 1, 0),
        ("an empty payload", RTP, 0, 1, 0),
    ] {
        for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
            let slot = rig.claim(&FlowState { prepared: 1, ..settings() });
            let packet = Frame::sent(ip, payload(octets)).bytes();
            let name = format!("{name}, {family}");
            for round in 1..=3 {
                // The kernel zeroes the count when it wants it taken anew: it is not looked at.
                let context = SkBuff { gso_segs: round % 2, ..prepared(slot, segment) };
                pass(&mut rig, &name, &packet, context);
                let round = u64::from(round);
                let counted = Counters {
                    packets: round * packets,
                    octets: round * (octets as u64 - packets * RTP as u64),
                    batches: round * batches,
                    ..Counters::default()
                };
                assert_eq!(rig.counters(slot), counted, "{name}: counters");
                assert_ne!(rig.flow(slot).last_departure, 0, "{name}: when it left");
            }
            rig.release(slot);
        }
    }
    assert_eq!(rig.skipped(), [0; SKIPS]);
}

#[test]
fn nothing_of_a_prepared_flow_is_ever_dropped() {
    let mut rig = Rig::new();
    for (name, packet) in strange() {
        for segment in [0, 1, 100, u32::from(u16::MAX)] {
            let slot = rig.claim(&FlowState { prepared: 1, ..settings() });
            pass(&mut rig, &format!("{name}, segments of {segment}"), &packet, prepared(slot, segment));
            assert_eq!(rig.flow(slot).drops, [0; 4], "{name}");
            rig.release(slot);
        }
    }
}

#[test]
fn without_its_flow_it_passes_uncounted() {
    let mut rig = Rig::new();
    let packet = Frame::sent(ipv4(), payload(1328)).bytes();
    let context = prepared(8, 0);
    let outcome = rig.run(BY_SLOT, &packet, context);
    assert_eq!(outcome.verdict, NEXT);
    outcome.assert_untouched("no such slot", &packet, &context);
}
