//! Packets from a plain socket: what a network does to them is seen, what is
//! dropped does not arrive, and who is no RTP passes.

use crate::{
    frame::rtp,
    streams::{seen, watch},
    support::{Net, wait_for},
};
use std::{net::UdpSocket, time::Duration};

/// Sends `packets` from one socket to the receiver's `port`.
fn send(net: &Net, port: u16, packets: &[Vec<u8>]) {
    net.a.inside(|| {
        let socket = UdpSocket::bind("198.18.0.1:4000").expect("our address");
        for packet in packets {
            socket.send_to(packet, ("198.18.0.2", port)).expect("it leaves");
        }
    });
}

#[test]
fn losses_doubles_and_disorder_are_seen() {
    let numbers = [65_533, 65_534, 65_534, 1, 0, 2, 5, 4, 4];
    let packets: Vec<_> = numbers.iter().map(|number| rtp(*number, u32::from(*number) * 90, 9)).collect();
    for mode in ["native", "generic", "tc"] {
        let net = Net::direct();
        let watching = watch(&net, "vb", &["--mode", mode, "--packets", "9"]);
        send(&net, 5004, &packets);
        let report = seen(watching);
        let total = &report["total"];
        // 65535 and 3 did not come.
        for (field, expected) in
            [("packets", 9), ("lost", 2), ("reordered", 2), ("duplicates", 2), ("octets", 90)]
        {
            assert_eq!(total[field], expected, "{mode}: {field}: {report}");
        }
    }
}

#[test]
fn what_is_dropped_does_not_arrive_and_all_else_does() {
    for mode in ["native", "generic", "tc"] {
        let net = Net::direct();
        let [followed, other] = [5004, 5005].map(|port| {
            net.b.inside(|| {
                let socket = UdpSocket::bind(("198.18.0.2", port)).expect("our address");
                socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a time");
                socket
            })
        });
        let watching = watch(&net, "vb", &["--mode", mode, "--drop", "--port", "5004", "--packets", "3"]);
        let packets: Vec<_> = (0..3).map(|number| rtp(number, 0, 9)).collect();
        send(&net, 5004, &packets[..2]);
        send(&net, 5004, &[b"no RTP".to_vec()]);
        send(&net, 5005, &packets);
        send(&net, 5004, &packets[2..]);
        let mut octets = [0; 100];
        for packet in &packets {
            let length = other.recv(&mut octets).unwrap_or_else(|error| panic!("{mode}: bystander: {error}"));
            assert_eq!(&octets[..length], packet, "{mode}");
        }
        let report = seen(watching);
        assert_eq!((&report["total"]["packets"], &report["dropped"]), (&3.into(), &true.into()), "{mode}");
        // All that the socket got.
        let length = followed.recv(&mut octets).unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(&octets[..length], b"no RTP", "{mode}");
        followed.set_nonblocking(true).expect("a socket");
        assert!(followed.recv(&mut octets).is_err(), "{mode}: a dropped packet arrived");
    }
}

/// What is not followed passes in the middle of what is dropped.
#[test]
fn a_watch_drops_nothing_by_itself() {
    let net = Net::direct();
    let socket = net.b.inside(|| UdpSocket::bind("198.18.0.2:5004").expect("our address"));
    let watching = watch(&net, "vb", &["--packets", "40"]);
    // Before 6.6 a veth with native XDP gives each packet a page, and a socket's buffer holds 49 of them.
    let packets: Vec<_> = (0..40).map(|number| rtp(number, 0, 9)).collect();
    send(&net, 5004, &packets);
    socket.set_nonblocking(true).expect("a socket");
    let mut octets = [0; 100];
    for packet in &packets {
        let length = wait_for("packet", || socket.recv(&mut octets).ok());
        assert_eq!(&octets[..length], packet);
    }
    assert_eq!(seen(watching)["total"]["lost"], 0);
}
