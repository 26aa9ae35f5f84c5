//! Packets of a flow that are not what the program rewrites: dropped and
//! counted, whatever they are.

use crate::{
    frame::{ETH, Frame, Ip, ipv4, ipv6, payload},
    rig::{Counters, DROPPED, Rig, carrying, expected, settings},
};
use krtp::kernel::object::BY_SLOT;
use rtp_common::reason::{Drop, SKIPS};

/// A packet, by name.
pub type Named = (String, Vec<u8>);

/// Where the fields stand, from the start of the IP header.
const V4_LENGTH: usize = 2;
const V4_FRAGMENT: usize = 6;
const V4_PROTOCOL: usize = 9;
const V6_LENGTH: usize = 4;
const V6_NEXT_HEADER: usize = 6;
/// The UDP length, from the start of the UDP header.
const UDP_LENGTH: usize = 4;

fn plain(ip: Ip) -> Vec<u8> {
    Frame::sent(ip, payload(188)).bytes()
}

/// `packet` with `octets` written over it, `at` counted from the IP header.
fn with(mut packet: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    packet[ETH + at..ETH + at + octets.len()].copy_from_slice(octets);
    packet
}

/// An IPv4 datagram with `words` words of NOP options.
fn with_options(words: u8) -> Vec<u8> {
    let mut packet = plain(ipv4());
    let at = ETH + 20;
    packet.splice(at..at, vec![1; usize::from(words) * 4]);
    let length = (packet.len() - ETH) as u16;
    let packet = with(packet, 0, &[0x45 + words]);
    with(packet, V4_LENGTH, &length.to_be_bytes())
}

/// An IPv6 datagram with an extension header of `octets` between IP and UDP.
fn with_extension(number: u8, octets: &[u8]) -> Vec<u8> {
    let mut packet = plain(ipv6());
    let at = ETH + 40;
    packet.splice(at..at, octets.iter().copied());
    let length = (packet.len() - at) as u16;
    let packet = with(packet, V6_LENGTH, &length.to_be_bytes());
    with(packet, V6_NEXT_HEADER, &[number])
}

/// The frame with `tag` between the MAC addresses and the ethertype.
fn tagged(mut packet: Vec<u8>, tag: &[u8]) -> Vec<u8> {
    packet.splice(12..12, tag.iter().copied());
    packet
}

fn with_ethertype(mut packet: Vec<u8>, ethertype: u16) -> Vec<u8> {
    packet[12..14].copy_from_slice(&ethertype.to_be_bytes());
    packet
}

/// The packet of family `ip` that ends two octets before its UDP header does,
/// and says so in both length fields.
fn less_than_udp(ip: Ip) -> Vec<u8> {
    let frame = Frame::sent(ip, Vec::new());
    let (udp, v4) = (frame.ip_length(), frame.ip_length() == 20);
    let mut packet = frame.bytes();
    packet.truncate(ETH + udp + 6);
    let packet = with(packet, udp + UDP_LENGTH, &[0, 6]);
    if v4 { with(packet, V4_LENGTH, &[0, 26]) } else { with(packet, V6_LENGTH, &[0, 6]) }
}

fn longer(mut packet: Vec<u8>, octets: usize) -> Vec<u8> {
    packet.resize(packet.len() + octets, 0);
    packet
}

/// Everything that looks like ours and is not.
pub fn strange() -> Vec<Named> {
    let v4 = || plain(ipv4());
    let v6 = || plain(ipv6());
    let udp4 = 20 + UDP_LENGTH;
    let udp6 = 40 + UDP_LENGTH;
    let cases: [(&str, Vec<u8>); 43] = [
        ("IPv4 with four octets of options", with_options(1)),
        ("IPv4 with forty octets of options", with_options(10)),
        ("IPv4 with a header of four words", with(v4(), 0, &[0x44])),
        ("IPv4 with a header of no words", with(v4(), 0, &[0x40])),
        ("IP version 0", with(v4(), 0, &[0x05])),
        ("IPv6 behind the ethertype of IPv4", with_ethertype(v6(), 0x0800)),
        ("IPv4 behind the ethertype of IPv6", with_ethertype(v4(), 0x86dd)),
        ("the first fragment", with(v4(), V4_FRAGMENT, &[0x20, 0x00])),
        ("a later fragment", with(v4(), V4_FRAGMENT, &[0x20, 0xb9])),
        ("the last fragment", with(v4(), V4_FRAGMENT, &[0x00, 0x01])),
        ("the farthest fragment, DF set", with(v4(), V4_FRAGMENT, &[0x5f, 0xff])),
        ("IPv4, one octet longer than its datagram", with(v4(), V4_LENGTH, &217u16.to_be_bytes())),
        ("IPv4, one octet shorter than its datagram", with(v4(), V4_LENGTH, &215u16.to_be_bytes())),
        ("IPv4, total length zero", with(v4(), V4_LENGTH, &[0, 0])),
        ("IPv4, total length of all ones", with(v4(), V4_LENGTH, &[0xff, 0xff])),
        ("UDP length zero", with(v4(), udp4, &[0, 0])),
        ("UDP length of a bare header", with(with(v4(), udp4, &[0, 8]), V4_LENGTH, &[0, 28])),
        ("UDP length below a header", with(with(v4(), udp4, &[0, 7]), V4_LENGTH, &[0, 27])),
        ("both lengths too small for the packet", with(with(v4(), udp4, &[0, 195]), V4_LENGTH, &[0, 215])),
        ("both lengths too large for the packet", with(with(v4(), udp4, &[0, 197]), V4_LENGTH, &[0, 217])),
        ("both lengths as large as can be", with(with(v4(), udp4, &[0xff, 0xeb]), V4_LENGTH, &[0xff, 0xff])),
        ("IPv4, no whole UDP header, and all lengths say so", less_than_udp(ipv4())),
        ("IPv6, no whole UDP header, and all lengths say so", less_than_udp(ipv6())),
        ("an octet behind the datagram", longer(v4(), 1)),
        ("TCP", with(v4(), V4_PROTOCOL, &[6])),
        ("ICMP", with(v4(), V4_PROTOCOL, &[1])),
        ("UDP-Lite", with(v4(), V4_PROTOCOL, &[136])),
        ("IP in IP", with(v4(), V4_PROTOCOL, &[4])),
        ("TCP over IPv6", with(v6(), V6_NEXT_HEADER, &[6])),
        ("ICMPv6", with(v6(), V6_NEXT_HEADER, &[58])),
        ("IPv6 with hop-by-hop options", with_extension(0, &[17, 0, 1, 4, 0, 0, 0, 0])),
        ("IPv6 with a routing header", with_extension(43, &[17, 0, 4, 0, 0, 0, 0, 0])),
        ("an IPv6 fragment", with_extension(44, &[17, 0, 0, 1, 1, 2, 3, 4])),
        (
            "IPv6 with destination options",
            with_extension(60, &[17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        ("IPv6, payload length zero (a jumbogram)", with(v6(), V6_LENGTH, &[0, 0])),
        ("IPv6, one octet longer than its datagram", with(v6(), V6_LENGTH, &197u16.to_be_bytes())),
        ("IPv6, both lengths too large", with(with(v6(), udp6, &[0xff, 0xff]), V6_LENGTH, &[0xff, 0xff])),
        ("a VLAN tag in the frame", tagged(v4(), &[0x81, 0x00, 0x00, 0x64])),
        ("a service tag in the frame", tagged(v6(), &[0x88, 0xa8, 0x00, 0x64])),
        ("ARP", with_ethertype(longer(vec![0xff; ETH + 28], 18), 0x0806)),
        ("MPLS", with_ethertype(v4(), 0x8847)),
        ("an ethertype of nobody", with_ethertype(v4(), 0xffff)),
        ("IEEE 802.3 with a length", with_ethertype(v4(), 216)),
    ];
    cases.into_iter().map(|(name, packet)| (name.to_owned(), packet)).collect()
}

#[test]
fn what_is_not_a_plain_datagram_is_dropped_and_counted() {
    let mut rig = Rig::new();
    let slot = rig.claim(&settings());
    let frame = Frame::sent(ipv4(), payload(188));
    for (number, (name, packet)) in strange().into_iter().enumerate() {
        rig.lay(slot, 2 * number as u64, &frame.payload);
        let before = rig.counters(slot);
        let outcome = rig.send(slot, 2 * number as u64, &packet);
        assert_eq!(outcome.verdict, DROPPED, "{name}: verdict");
        let mut counters = before;
        counters.drops[Drop::Shape as usize] += 1;
        assert_eq!(rig.counters(slot), counters, "{name}: counters");
        // No gap on the wire: the next packet takes the next sequence number.
        let wanted = expected(2 * number as u32 + 1, number as u16);
        rig.send_well(&format!("after {name}"), slot, 2 * number as u64 + 1, &frame, &wanted);
    }
    assert_eq!(rig.skipped(), [0; SKIPS]);
}

#[test]
fn a_packet_cut_short_anywhere_is_dropped_and_counted() {
    let mut rig = Rig::new();
    for (family, ip) in [("IPv4", ipv4()), ("IPv6", ipv6())] {
        let slot = rig.claim(&settings());
        let whole = Frame::sent(ip, payload(64));
        let packet = whole.bytes();
        rig.lay(slot, 0, &whole.payload);
        let mut drops = 0;
        for length in 0..packet.len() {
            let name = format!("{family} cut to {length} octets");
            match rig.try_run(BY_SLOT, &packet[..length], carrying(slot, 0)) {
                // The kernel takes no packet without an Ethernet header, and
                // newer ones none without its IP header (net/bpf/test_run.c).
                Err(_) => assert!(length < ETH + whole.ip_length(), "{name}: refused by the kernel"),
                Ok(outcome) => {
                    drops += 1;
                    assert_eq!(outcome.verdict, DROPPED, "{name}: verdict");
                    let mut counters = Counters::default();
                    counters.drops[Drop::Shape as usize] = drops;
                    assert_eq!(rig.counters(slot), counters, "{name}: counters");
                }
            }
        }
        rig.send_well(family, slot, 0, &whole, &expected(0, 0));
        rig.release(slot);
    }
}
