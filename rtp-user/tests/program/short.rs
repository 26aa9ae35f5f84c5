//! Payloads shorter than what the program takes apart at once.

use crate::{
    frame::{Frame, ipv4, ipv6, payload},
    rig::{Rig, expected, settings},
};

#[test]
fn every_short_payload_becomes_a_packet() {
    let mut rig = Rig::new();
    for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
        let slot = rig.claim(settings());
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
