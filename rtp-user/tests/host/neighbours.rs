//! Neighbours: what the network says to the segmenter, and packets that wait for one.

use crate::{
    support::{Capture, Net, Running, wait_for},
    synth::programme,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    thread,
    time::Duration,
};

/// A router advertisement (RFC 4861 §4.2) of the prefix `2001:db8:SUBNET::/64`. The kernel fills in the checksum.
fn advertisement(subnet: u8) -> Vec<u8> {
    let lifetimes = [[0, 0, 7, 8], [0, 0, 7, 8]].concat();
    let prefix = [0x20, 1, 0x0d, 0xb8, 0, subnet, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let header = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    // On-link and autonomous; lifetimes of half an hour.
    [&header[..], &[3, 4, 64, 0xc0], &lifetimes, &[0; 4], &prefix].concat()
}

/// The receiver is a router, and says so to all.
fn advertise(net: &Net, subnet: u8) {
    let interface = net.b.index_of("vb");
    net.b.inside(|| {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).expect("root may");
        socket.set_multicast_hops_v6(255).expect("an option");
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let to = SocketAddrV6::new(all_nodes, 0, 0, interface);
        socket.send_to(&advertisement(subnet), &to.into()).expect("it is sent");
    });
}

/// A stream without end at 400 kb/s, with a PCR about every 40 ms and no two of
/// the same rate: a piece of the timeline for each.
fn bending(net: &Net) -> Running {
    let octets = programme(8.0, 0, |second| 400e3 + 100e3 * (40.0 * second).sin()).0;
    let film = net.krtp.file("film.ts", &octets);
    let film = film.to_str().expect("a name");
    let arguments = ["--to", "198.18.0.2:5004", "--engine", "kernel", "--timestamp", "0"];
    net.start_stream(&[&[film], &arguments[..]].concat())
}

/// The segmenter is no host of its own: a router's word to all makes no address
/// and no route there, through which the host would speak to nobody.
#[test]
fn the_segmenter_hears_no_router() {
    let net = Net::direct();
    let running = bending(&net);
    let segmenter = wait_for("the segmenter", || {
        let listed = net.a.ip(&["-br", "link", "show", "type", "macvlan", "up"]);
        listed.split('@').next().filter(|name| !name.is_empty()).map(str::to_owned)
    });
    // What the segmenter has of the first is there when the interface has the second.
    for subnet in [1, 2] {
        wait_for("a prefix of the router's", || {
            advertise(&net, subnet);
            let prefix = format!("2001:db8:{subnet}::/64");
            net.a.ip(&["-6", "route", "show", "dev", "va"]).contains(&prefix).then_some(())
        });
    }
    let routes = net.a.ip(&["-6", "route", "show", "dev", &segmenter, "table", "all"]);
    let addresses = net.a.ip(&["-6", "address", "show", "dev", &segmenter]);
    drop(running);
    assert_eq!((routes.as_str(), addresses.as_str()), ("", ""), "{segmenter}");
}

/// How long the receiver is deaf: long enough for more pieces than there are
/// places for, and not so long that the kernel gives it up.
const DEAF: Duration = Duration::from_millis(1300);

/// What waited for the next hop's address leaves with timestamps of its own, or
/// not at all.
#[test]
fn packets_that_waited_for_a_neighbour_keep_their_time() {
    let net = Net::direct();
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let to = SocketAddr::from(([198, 18, 0, 2], 5004));
    let running = bending(&net);
    wait_for("packets", || (capture.so_far(to).len() > 10).then_some(()));
    net.b.ip(&["link", "set", "vb", "arp", "off"]);
    net.a.ip(&["neighbour", "flush", "to", "198.18.0.2"]);
    thread::sleep(DEAF);
    let before = capture.so_far(to).len();
    net.b.ip(&["link", "set", "vb", "arp", "on"]);
    wait_for("packets again", || (capture.so_far(to).len() > before + 40).then_some(()));
    drop(running);
    let packets = capture.so_far(to);
    let mut packets: Vec<_> = packets.iter().map(|datagram| datagram.rtp().expect("RTP")).collect();
    // Two processors may send: one what waited, the other what did not.
    let first = packets[0].sequence;
    packets.sort_by_key(|packet| packet.sequence.wrapping_sub(first));
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "a gap");
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp).cast_signed();
        assert!(step.abs() < 10 * 90_000, "after packet {}: {step} ticks", pair[0].sequence);
    }
}
