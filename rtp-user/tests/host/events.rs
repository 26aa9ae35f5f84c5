//! What happens on every network and passes: a stream of the kernel engine
//! loses what it sends meanwhile, says so once, and goes on.

use crate::support::{
    Capture, Namespace, Net, Running, State, Stream, capture,
    expect::number,
    media::{Rate, cut, sample, sample_path},
    packet::Datagram,
    wait_for,
};
use futures_util::TryStreamExt;
use krtp::net::netlink::Netlink;
use rtnetlink::packet_route::AddressFamily;
use rtp_common::notes::RING;
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::sleep;

/// Packets after an event that are looked at.
const AFTER: usize = 200;
/// Packets of a stream that may be missing between two that came.
const MOST: usize = 1_000_000;

/// Starts an endless stream to `destination`.
fn start(net: &Net, stream: &Stream) -> Running {
    stream.start(net, &sample_path(), &["--engine", "kernel", "--pace", "4000000", "--loop"])
}

fn endless<'a>(file: &'a [u8], destination: &str) -> Stream<'a> {
    Stream { rate: Some(Rate::of_bits(4_000_000)), ..Stream::of_ts(file, "198.18.0.1:0", destination) }
}

/// Sees that `datagrams` are packets of the stream, each once, of which some are missing; how many packets the stream
/// had up to the last of them. What waited for a neighbour may come behind what did not wait.
#[track_caller]
fn assert_packets_of(stream: &Stream, datagrams: &[Datagram]) -> usize {
    let cuts = cut(stream.file.len(), stream.payload);
    let (mut numbers, mut sequences) = (BTreeSet::new(), BTreeSet::new());
    let mut end = 0_usize;
    for (place, datagram) in datagrams.iter().enumerate() {
        let name = format!("datagram {place} of {}", datagrams.len());
        stream.assert_datagram(&name, datagram, datagrams[0].source);
        let packet = datagram.rtp().unwrap_or_else(|error| panic!("{name}: {error}"));
        let name = format!("{name}, {} at {}", packet.sequence, packet.timestamp);
        let is = |number: &usize| {
            let off = packet.timestamp.wrapping_sub(stream.timestamp_of(*number, cuts.len())).cast_signed();
            (-1..=1).contains(&off) && packet.payload == stream.file[cuts[number % cuts.len()].clone()]
        };
        let near = end.saturating_sub(RING)..end + MOST;
        let number = near.clone().find(is).unwrap_or_else(|| panic!("{name}: none of {near:?}"));
        let seam = number > 0 && number.is_multiple_of(cuts.len());
        assert_eq!(packet.marker, seam, "{name}: marker");
        assert_eq!(Some(packet.ssrc), stream.ssrc, "{name}: SSRC");
        let sequence = packet.sequence.wrapping_sub(stream.sequence);
        assert!(numbers.insert(number) && sequences.insert(sequence), "{name}: packet {number} again");
        end = end.max(number + 1);
    }
    // Those that did not reach the interface have none.
    let last = sequences.last().copied().map(usize::from);
    assert!(last < Some(end), "sequence numbers run ahead: {last:?} of {end}");
    end
}

/// Waits for some more packets than came so far, ends the stream, and sees that it was whole
/// but for what was lost, of which `words` were said.
#[track_caller]
fn ends_well(stream: &Stream, mut running: Running, capture: &Capture, words: Option<&str>) {
    let enough = capture.so_far(stream.destination).len() + AFTER;
    wait_under(&mut running, "packets", |_| capture.so_far(stream.destination).len() >= enough);
    running.signal(Signal::INT);
    let ended = running.wait().well();
    let report = ended.json();
    assert_eq!(report["ended"], "stopped", "{report}");
    let last: u16 = number(&report["flows"][0], "last_sequence");
    let arrived = || {
        let datagrams = capture.so_far(stream.destination);
        let is_last = |datagram: &Datagram| datagram.rtp().is_ok_and(|packet| packet.sequence == last);
        datagrams.iter().any(is_last).then_some(datagrams)
    };
    let datagrams = wait_for("the last packet", arrived);
    let sent = assert_packets_of(stream, &datagrams);
    let packets: usize = number(&report["flows"][0], "flow_packets");
    assert_eq!(last, stream.sequence.wrapping_add(packets as u16).wrapping_sub(1), "{report}");
    if let Some(words) = words {
        assert_eq!(ended.stderr.matches(words).count(), 1, "{words}? {}", ended.stderr);
        assert!(packets < sent, "what did not reach the interface is not counted: {sent} sent: {report}");
    }
}

/// Waits for `what` while the stream goes on.
#[track_caller]
fn wait_under(running: &mut Running, what: &str, mut is: impl FnMut(&Running) -> bool) {
    wait_for(what, || {
        assert!(!running.has_ended(), "{what}? {}", running.stderr());
        is(running).then_some(())
    });
}

/// Waits until it says `words`.
#[track_caller]
fn wait_until_said(running: &mut Running, words: &str) {
    wait_under(running, words, |running| running.stderr().contains(words));
}

/// The cable is pulled and plugged in again: of a group nobody answers, so nobody is silent.
#[test]
fn the_carrier_goes_and_comes_back() {
    let net = Net::direct();
    net.a.ip(&["route", "add", "239.0.0.0/8", "dev", "va"]);
    let before = State::of(&net.a);
    let file = sample();
    let stream = Stream { ttl: 1, ..endless(&file, "239.1.2.3:5004") };
    let capture = Capture::start(&net.b, "vb", &[]);
    let mut running = start(&net, &stream);
    wait_for("a packet", || capture.so_far(stream.destination).pop());
    let words = "239.1.2.3:5004: the interface has no carrier any more";
    for _ in 0..3 {
        net.b.ip(&["link", "set", "vb", "down"]);
        wait_until_said(&mut running, words);
        net.b.ip(&["link", "set", "vb", "up"]);
        net.a.wait_until_up("va");
    }
    ends_well(&stream, running, &capture, Some(words));
    assert_eq!(State::of(&net.a), before);
}

/// The old gateway still answers, the new one does not yet.
#[test]
fn the_gateway_is_replaced() {
    let net = Net::direct();
    net.b.ip(&["address", "add", "198.18.9.2/32", "dev", "lo"]);
    net.a.ip(&["route", "add", "198.18.9.2/32", "via", "198.18.0.2"]);
    let file = sample();
    let stream = endless(&file, "198.18.9.2:5004");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let mut running = start(&net, &stream);
    wait_for("a packet", || capture.so_far(stream.destination).pop());
    net.a.ip(&["route", "replace", "198.18.9.2/32", "via", "198.18.0.3"]);
    let words = "198.18.9.2:5004: the next hop does not answer any more";
    wait_until_said(&mut running, words);
    net.b.ip(&["address", "add", "198.18.0.3/24", "dev", "vb"]);
    ends_well(&stream, running, &capture, Some(words));
}

/// Answers a namespace's ARP requests in its place, in a process: after the call
/// that made the packet, and sooner than anybody can look at the neighbour.
struct Responder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Instead of the kernel, at `interface`.
    fn start(namespace: &Namespace, interface: &str) -> Self {
        namespace.ip(&["link", "set", interface, "arp", "off"]);
        let index = namespace.index_of(interface);
        let mut socket = namespace.inside(|| capture::open(index)).expect("root may open packet sockets");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut frame = [0; 2048];
            while !stopped.load(Ordering::Acquire) {
                let octets = socket.read(&mut frame).unwrap_or_default();
                if let Some(answer) = answer(&frame[..octets]) {
                    socket.send(&answer).expect("it is answered");
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a frame that is an ARP request (RFC 826).
fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    /// A host that nobody else is.
    const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 0x42];
    // Ethernet: to, from, type; then types and lengths, the operation, who asks, who is asked.
    let (from, address, wanted) = (frame.get(22..28)?, frame.get(28..32)?, frame.get(38..42)?);
    let is_request = frame[12..14] == [0x08, 0x06] && frame[20..22] == [0, 1];
    let answer = [from, &HARDWARE, &frame[12..20], &[0, 2], &HARDWARE, wanted, from, address].concat();
    is_request.then_some(answer)
}

/// What waits for it leaves, or is lost with it, before anybody can look.
#[test]
fn the_neighbour_is_forgotten_again_and_again() {
    let net = Net::direct();
    let _responder = Responder::start(&net.b, "vb");
    let file = sample();
    let stream = endless(&file, "198.18.0.2:5004");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let mut running = start(&net, &stream);
    wait_for("a packet", || capture.so_far(stream.destination).pop());
    let mut forget = async || {
        let netlink = Netlink::open().expect("netlink");
        let neighbours = || netlink.handle().neighbours();
        while capture.len() < 4 * AFTER {
            assert!(!running.has_ended(), "{}", running.stderr());
            let mut found = neighbours().get().execute();
            while let Some(neighbour) = found.try_next().await.expect("a list") {
                if neighbour.header.family == AddressFamily::Inet {
                    // It may be gone already.
                    let _ = neighbours().del(neighbour).execute().await;
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    net.a.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(forget());
    });
    ends_well(&stream, running, &capture, None);
}
