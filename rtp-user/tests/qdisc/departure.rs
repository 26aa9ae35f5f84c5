//! What fq does with the departure times that the program writes: this is what
//! pacing in the kernel rests on.

use crate::{
    has_fq,
    support::{Capture, Net, media::sample_path, wait_for},
};
use krtp::{
    engine::{
        Checksum, Flow, Setting,
        kernel::{KernelFlow, Path},
    },
    kernel::{attach::Attachment, qdisc},
    media::{
        self, Wish,
        library::{ClockWish, Library},
        plan::Plan,
        source::Source,
    },
    net::{
        netlink::{Link, Netlink},
        qdisc::{Drops, Kind, drops, fq::Load},
        route,
        socket::{self, FlowSocket},
    },
    stop::Stop,
};
use rtp_common::timeline::Piece;
use rustix::time::{ClockId, clock_gettime};
use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

/// Packets of a batch, and how far apart they are to leave.
const PACKETS: usize = 40;
const GAP: Duration = Duration::from_millis(5);

/// One flow through an fq.
struct Paced {
    flow: KernelFlow,
    source: Source,
    plan: Plan,
    /// Its socket.
    queue: OwnedFd,
    next: u64,
    held: Option<qdisc::Held>,
    _attachment: Attachment,
}

/// Now, by the test's clock and by the kernel's, in nanoseconds. The test's is read first: what holds the test up in
/// between makes packets look late, never early.
fn now() -> (Instant, u64) {
    let instant = Instant::now();
    let kernel = clock_gettime(ClockId::Monotonic);
    (instant, kernel.tv_sec.cast_unsigned() * 1_000_000_000 + kernel.tv_nsec.cast_unsigned())
}

impl Paced {
    async fn start(netlink: &Netlink, link: &Link, max_rate: Option<u32>) -> Self {
        let load = Load { packets_per_flow: 1000, flows: 1, max_rate };
        let held = qdisc::hold(netlink, link, load, Some(Kind::Fq)).await.expect("fq");
        let attachment = Attachment::for_now(netlink, link, 1).await.expect("the program");
        let destination: std::net::SocketAddr = "198.18.0.2:5004".parse().expect("a literal");
        route::resolve(netlink, destination.ip(), (link.index, &link.name)).await.expect("the neighbour");
        let (file, media) = media::open(&sample_path(), &Wish::default()).expect("the sample");
        let interface = Some((link.name.clone(), link.index));
        let options = socket::Options { destination, source: None, interface, ttl: None, dscp: None };
        let socket = FlowSocket::open(&options).expect("a socket");
        let queue = socket.as_fd().try_clone_to_owned().expect("a descriptor");
        let setting = Setting {
            ssrc: 1,
            first_sequence: 0,
            payload_type: 33,
            clock_rate: 90_000,
            payload: media.payload,
            unit: 188,
            checksum: Checksum::Zero,
        };
        let segmenter = attachment.segmenter.as_ref().ok().copied();
        let path = Path { interface: link.index, segmenter, next_hop: None };
        let flow =
            KernelFlow::open(&attachment.maps, socket, setting, path, Stop::default()).expect("a flow");
        let plan = Plan::new(media.octets.clone(), media.payload).expect("a plan");
        let clock = ClockWish::None;
        let source = Library::new(None).source(file, sample_path(), &media, plan, false, clock);
        Self { flow, source, plan, queue, next: 0, held: Some(held), _attachment: attachment }
    }

    /// Hands over one batch whose first packet is to leave at `departure`.
    fn send(&mut self, departure: u64) {
        let gap = GAP.as_nanos() as u64;
        let piece = Piece { first: self.next, departure, gap, ..Piece::default() };
        let batch = self.plan.batch(self.next, PACKETS);
        assert!(self.flow.send(&mut self.source, &batch, &[piece]).expect("it is sent"));
        self.next += PACKETS as u64;
    }

    /// What waits is charged to the socket: octets.
    fn waiting(&self) -> usize {
        let mut octets = 0i32;
        // SAFETY: SIOCOUTQ, which TIOCOUTQ is another name of, writes an int.
        let answer = unsafe { libc::ioctl(self.queue.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
        assert_eq!(answer, 0);
        octets.cast_unsigned() as usize
    }
}

/// Calls `test` with the sender's end of the cable, and a capture at the other.
fn with_fq(test: impl AsyncFnOnce(&Netlink, &Link, &Capture) + Send) {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let capture = Capture::start(&net.b, "vb", &[5004]);
    net.a.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let netlink = Netlink::open().expect("netlink");
            let link = netlink.link_by_name("va").await.expect("an answer").expect("va");
            test(&netlink, &link, &capture).await;
        });
    });
}

fn arrivals(capture: &Capture, count: usize) -> Vec<Instant> {
    let datagrams = capture.datagrams("198.18.0.2:5004".parse().expect("a literal"), count);
    datagrams.iter().map(|datagram| datagram.at).collect()
}

/// No packet leaves before its time, and all of them are charged to their
/// socket until they leave.
#[test]
fn packets_wait_for_their_time() {
    with_fq(async |netlink, link, capture| {
        let mut paced = Paced::start(netlink, link, None).await;
        let (instant, kernel) = now();
        let ahead = Duration::from_millis(400);
        paced.send(kernel + ahead.as_nanos() as u64);
        let handed_over = instant.elapsed();
        let waiting = paced.waiting();
        println!("{waiting} octets charged for {PACKETS} packets: {} each", waiting / PACKETS);
        if handed_over < ahead {
            assert!(waiting > PACKETS * 1316, "all of them wait: {waiting} octets");
        }
        let arrived = arrivals(capture, PACKETS);
        let lateness = arrived.iter().zip(0u32..).map(|(at, number)| {
            let due = instant + ahead + GAP * number;
            assert!(*at >= due, "packet {number} left {:?} early", due - *at);
            *at - due
        });
        println!("at most {:?} late", lateness.max().expect("packets"));
        wait_for("empty send buffer", || (paced.waiting() == 0).then_some(()));
        assert_eq!(drops(netlink, link).await.expect("an answer"), Drops::default());
    });
}

/// What is late leaves at once.
#[test]
fn a_time_that_has_passed_is_now() {
    with_fq(async |netlink, link, capture| {
        let mut paced = Paced::start(netlink, link, None).await;
        let (_, kernel) = now();
        // All of them before the beginning of the test.
        paced.send(kernel - 1_000_000_000);
        assert_eq!(paced.waiting(), 0, "they have left when the call returns");
        assert_eq!(arrivals(capture, PACKETS).len(), PACKETS);
    });
}

/// Unless fq has a maximum rate: then packets that are late, as after a stall,
/// are as far apart as that says.
#[test]
fn what_is_late_leaves_at_the_maximum_rate() {
    with_fq(async |netlink, link, capture| {
        // With Ethernet, IP and UDP header; fq may count the RTP header too.
        let octets = 14 + 20 + 8 + 1316;
        let apart = Duration::from_millis(20);
        let mut paced = Paced::start(netlink, link, Some(octets * 50)).await;
        let (instant, kernel) = now();
        paced.send(kernel - 1_000_000_000);
        for (at, number) in arrivals(capture, PACKETS).into_iter().zip(0u32..) {
            let due = instant + apart * number;
            assert!(at >= due, "packet {number} left {:?} early", due - at);
        }
    });
}

/// Beyond the horizon packets are dropped, and counted as just that.
#[test]
fn beyond_the_horizon_is_lost() {
    with_fq(async |netlink, link, _| {
        let mut paced = Paced::start(netlink, link, None).await;
        let (_, kernel) = now();
        paced.send(kernel + 60_000_000_000);
        assert_eq!(paced.waiting(), 0);
        let all = PACKETS as u64;
        let expected = Drops { all, horizon: all, flow_limit: 0 };
        assert_eq!(drops(netlink, link).await.expect("an answer"), expected);
    });
}

/// Who gives the fq up must have waited for the sockets to run dry.
#[test]
fn what_waits_goes_with_the_fq() {
    with_fq(async |netlink, link, capture| {
        let mut paced = Paced::start(netlink, link, None).await;
        let (_, kernel) = now();
        paced.send(kernel + 9_000_000_000);
        assert!(paced.waiting() > 0);
        paced.held = None;
        assert_eq!(paced.waiting(), 0);
        let destination = "198.18.0.2:5004".parse().expect("a literal");
        assert_eq!(capture.so_far(destination).len(), 0);
    });
}
