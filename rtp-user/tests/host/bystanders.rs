//! Another process on the very port that krtp sends from.

use crate::support::{
    Capture, Net, Stream,
    expect::number,
    media::{Rate, sample, sample_path},
    packet::{Datagram, UdpChecksum},
    tcx::Counter,
    wait_for,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::Write,
    net::SocketAddr,
    os::fd::{AsRawFd, RawFd},
};

/// What begins each of its datagrams. Read as RTP it is of version 1.
const BEGIN: &[u8] = b"bystander";
/// Octets of a datagram.
const LENGTH: u16 = 400;
/// The number by which krtp's program knows its packets, in `SO_PRIORITY`.
const MARK: i32 = 0xa500_0000_u32.cast_signed();

/// How one of its sockets is set up.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    priority: Option<i32>,
    /// Datagrams of one send.
    batch: usize,
}

const KINDS: [Kind; 5] = [
    Kind { name: "plain", priority: None, batch: 1 },
    Kind { name: "batches", priority: None, batch: 4 },
    Kind { name: "with krtp's mark", priority: Some(MARK), batch: 1 },
    Kind { name: "with the mark of a later packet", priority: Some(MARK + 100), batch: 1 },
    Kind { name: "batches with krtp's mark", priority: Some(MARK), batch: 4 },
];

/// A socket from `source` to `destination` beside krtp's own.
fn beside(source: SocketAddr, destination: SocketAddr, kind: Kind) -> Socket {
    let socket = Socket::new(Domain::for_address(source), Type::DGRAM, Some(Protocol::UDP)).expect("UDP");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket.bind(&source.into()).expect("krtp shares its port");
    socket.connect(&destination.into()).expect("a route");
    if let Some(priority) = kind.priority {
        set(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY, priority);
    }
    if kind.batch > 1 {
        set(socket.as_raw_fd(), libc::IPPROTO_UDP, libc::UDP_SEGMENT, LENGTH.into());
    }
    socket
}

fn set(socket: RawFd, level: i32, option: i32, value: i32) {
    // SAFETY: `value` is readable for its length.
    let answer = unsafe {
        libc::setsockopt(
            socket,
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(answer, 0, "option {option} is root's to set: {}", std::io::Error::last_os_error());
}

/// Datagram `number` of the bystander.
fn datagram(number: usize) -> Vec<u8> {
    let mut octets = [BEGIN, &(number as u64).to_be_bytes()].concat();
    octets.resize(LENGTH.into(), number as u8);
    octets
}

fn on_one_port(source: &str, destination: &str) {
    let net = Net::resolving();
    let counter = Counter::attach(&net.a, "va");
    let file = sample();
    let mut stream = Stream::of_ts(&file, source, destination);
    stream.rate = Some(Rate::of_bits(8_000_000));
    let options = ["--pace", "8000000", "--engine", "kernel", "--source", source];
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let mut running = stream.start(&net, &sample_path(), &options);
    wait_for("a packet of krtp's", || capture.so_far(stream.destination).pop());

    let sockets = net.a.inside(|| KINDS.map(|kind| beside(stream.source, stream.destination, kind)));
    let (mut sent, mut marked) = (0, 0);
    for (kind, mut socket) in KINDS.iter().zip(&sockets).cycle() {
        // One send for each time that something has come: in between krtp's packets.
        let came = capture.len();
        wait_for("a packet, or the end", || (capture.len() > came || running.has_ended()).then_some(()));
        if running.has_ended() {
            break;
        }
        let octets: Vec<u8> = (sent..sent + kind.batch).flat_map(datagram).collect();
        socket.write_all(&octets).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        sent += kind.batch;
        marked += u64::from(kind.priority.is_some());
    }
    let report = running.wait().well().json();
    let count: usize = number(&report, "packets");
    let all = capture.datagrams(stream.destination, count + sent);
    let (others, ours): (Vec<Datagram>, Vec<Datagram>) =
        all.into_iter().partition(|datagram| datagram.octets.starts_with(BEGIN));
    let packets = stream.assert_is("krtp's own", &ours);
    stream.assert_reported("krtp's own", &report, 0, &packets);
    assert!(sent >= 100, "the bystander had its turns: {sent}");
    assert_eq!(others.len(), sent, "the bystander's datagrams");
    for (number, other) in others.iter().enumerate() {
        assert!(other.octets == datagram(number), "bystander's datagram {number}: {:02x?}", other.octets);
        assert_eq!(other.source, stream.source, "bystander's datagram {number}");
        assert_eq!(other.checksum, UdpChecksum::Right, "bystander's datagram {number}");
    }
    // Its marks are its own: nobody took them off.
    assert_eq!(counter.counts().marked, marked, "marks behind krtp's program");
}

#[test]
fn a_process_on_the_same_port_is_left_alone() {
    on_one_port("198.18.0.1:6000", "198.18.0.2:5004");
}

#[test]
fn a_process_on_the_same_port_is_left_alone_ipv6() {
    on_one_port("[2001:2::1]:6000", "[2001:2::2]:5004");
}
