//! What is followed, and what is passed untouched.

use crate::{
    frame::{Frame, rtp},
    rig::{Rig, TC_DROP, TC_PASS, XDP_DROP, XDP_PASS, options},
};
use krtp::watch::Options;

/// A good packet, changed.
fn changed(change: impl FnOnce(&mut Frame)) -> Vec<u8> {
    let mut frame = Frame::new(rtp(1, 2, 3));
    change(&mut frame);
    frame.bytes()
}

/// A good packet of which one octet is another.
fn with(at: usize, octet: u8) -> Vec<u8> {
    let mut bytes = changed(|_| ());
    bytes[at] = octet;
    bytes
}

/// A good packet whose RTP header begins with these octets.
fn beginning(octets: [u8; 2]) -> Vec<u8> {
    changed(|frame| frame.octets[..2].copy_from_slice(&octets))
}

const IP: usize = 14;
const UDP: usize = IP + 20;
/// An 802.1Q tag, and one of 802.1ad.
const TAG: [u8; 4] = [0x81, 0, 0, 5];
const OUTER: [u8; 4] = [0x88, 0xa8, 0, 5];

/// Name, frame, and the payload octets of an RTP packet that is followed.
fn cases() -> Vec<(&'static str, Vec<u8>, Option<u64>)> {
    let extension = [&[0x90, 33][..], &rtp(1, 2, 3)[2..12], &[0xbe, 0xde, 0, 1, 9, 9, 9, 9, 5, 5]].concat();
    vec![
        ("IPv4", changed(|_| ()), Some(10)),
        ("IPv6", changed(|frame| frame.ipv6 = true), Some(10)),
        ("one tag", changed(|frame| frame.tags = TAG.into()), Some(10)),
        ("one outer tag", changed(|frame| frame.tags = OUTER.into()), Some(10)),
        ("IPv6 behind a tag", changed(|frame| (frame.ipv6, frame.tags) = (true, TAG.into())), Some(10)),
        ("two tags", changed(|frame| frame.tags = [OUTER, TAG].concat()), None),
        ("a padded frame", changed(|frame| frame.trailer = vec![0; 9]), Some(10)),
        ("no payload", changed(|frame| frame.octets.truncate(12)), Some(0)),
        ("11 octets", changed(|frame| frame.octets.truncate(11)), None),
        ("no octets", changed(|frame| frame.octets.clear()), None),
        ("version 1", beginning([0x40, 33]), None),
        ("version 3", beginning([0xc0, 33]), None),
        ("a marker", beginning([0x80, 0xa1]), Some(10)),
        ("payload type 71", beginning([0x80, 71]), Some(10)),
        ("RTCP SR", beginning([0x80, 200]), None),
        ("RTCP APP", beginning([0x80, 204]), None),
        ("payload type 77", beginning([0x80, 77]), Some(10)),
        ("two contributing sources", beginning([0x82, 33]), Some(2)),
        ("more contributing sources than octets", beginning([0x8f, 33]), Some(0)),
        ("an extension", changed(|frame| frame.octets = extension), Some(2)),
        ("padding of seven", beginning([0xa0, 33]), Some(3)),
        ("IPv4 options", with(IP, 0x46), None),
        ("more fragments", with(IP + 6, 0x20), None),
        ("a later fragment", with(IP + 7, 1), None),
        ("do not fragment", with(IP + 6, 0x40), Some(10)),
        ("TCP", with(IP + 9, 6), None),
        ("an IPv4 length that is too long", with(IP + 3, 90), None),
        ("a UDP length that is too short", with(UDP + 5, 20), None),
        ("ARP", with(13, 6), None),
        ("a version that is not 4", with(IP, 0x55), None),
    ]
}

#[test]
fn only_rtp_is_followed() {
    for (case, frame, payload) in cases() {
        let mut rig = Rig::new(&options());
        assert_eq!(rig.xdp(&frame), XDP_PASS, "{case}: XDP");
        assert_eq!(rig.tc(&frame), TC_PASS, "{case}: TC");
        let total = rig.report().total.counts;
        let expected = payload.map_or((0, 0), |octets| (2, 2 * octets));
        assert_eq!((total.packets, total.octets), expected, "{case}");
    }
}

#[test]
fn only_what_is_followed_is_dropped() {
    let mut rig = Rig::new(&Options { drop: true, streams: 100, ..options() });
    for (case, frame, payload) in cases() {
        let followed = payload.is_some();
        assert_eq!(rig.xdp(&frame), if followed { XDP_DROP } else { XDP_PASS }, "{case}: XDP");
        assert_eq!(rig.tc(&frame), if followed { TC_DROP } else { TC_PASS }, "{case}: TC");
    }
}

/// A frame may end anywhere.
#[test]
fn no_length_does_harm() {
    let mut rig = Rig::new(&Options { drop: true, ..options() });
    for ipv6 in [false, true] {
        let whole = changed(|frame| frame.ipv6 = ipv6);
        // Shorter ones are not Ethernet, and the kernel runs no program on them;
        // for TC it wants an IP header, too.
        for length in 14..whole.len() {
            assert_eq!(rig.xdp(&whole[..length]), XDP_PASS, "{length} octets: XDP");
            if length >= 14 + 40 {
                assert_eq!(rig.tc(&whole[..length]), TC_PASS, "{length} octets: TC");
            }
        }
        assert_eq!(rig.xdp(&whole), XDP_DROP);
    }
}

#[test]
fn filters_narrow_what_is_followed() {
    let to = |port, ssrc| {
        let mut frame = Frame::new(rtp(1, 2, ssrc));
        frame.destination_port = port;
        frame.bytes()
    };
    let any = Options { drop: true, ..options() };
    let ports = Options { ports: vec![5004, 5006], ..any.clone() };
    let ssrc = Options { ssrc: Some(7), ..any.clone() };
    for (case, options, port, from, verdict) in [
        ("its port", &ports, 5006, 9, XDP_DROP),
        ("another port", &ports, 5008, 9, XDP_PASS),
        ("its SSRC", &ssrc, 5008, 7, XDP_DROP),
        ("another SSRC", &ssrc, 5004, 8, XDP_PASS),
    ] {
        assert_eq!(Rig::new(options).xdp(&to(port, from)), verdict, "{case}");
    }
}
