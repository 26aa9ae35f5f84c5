//! What is shown of a flow: its state in words that people and programs read.

use super::{
    rate::Rate,
    reading::{Found, Reading},
};
use crate::process::Process;
use rtp_common::{
    flow::FlowState,
    reason::{DROPS, Drop as Reason},
};
use serde::Serialize;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// One flow. `--json` prints exactly these fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Where its packets go.
    pub destination: SocketAddr,
    /// Where they come from.
    pub source: SocketAddr,
    /// Name of the interface they leave through; none if it is in another
    /// network namespace.
    pub interface: Option<String>,
    /// Its index.
    pub interface_index: u32,
    /// Name of the segmenter, likewise.
    pub segmenter: Option<String>,
    /// Its index; zero: datagrams come one by one.
    pub segmenter_index: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Clock rate of the timestamps, Hz.
    pub clock_rate: u32,
    /// Octets of a full payload.
    pub payload: u32,
    /// `full` or `zero`.
    pub checksum: &'static str,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// Sequence number of the next packet.
    pub next_sequence: u16,
    /// RTP timestamp of the last packet; none before the first.
    pub last_timestamp: Option<u32>,
    /// Whether its packets come with their headers, from a prepared file.
    pub prepared: bool,
    /// Packets that got their header (of a prepared file: that passed).
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// Packets per second since the reading before, if there was one.
    pub packets_per_second: Option<f64>,
    /// Payload bits per second, likewise.
    pub bits_per_second: Option<f64>,
    /// Batches handed to the segmenter (of a prepared file: that passed).
    pub batches: u64,
    /// Packets per batch on average; none without batches.
    pub packets_per_batch: Option<f64>,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    /// The same by reason; zeros left out.
    pub drops: Vec<Dropped>,
    /// When the last packet left, `CLOCK_MONOTONIC` nanoseconds; none before the first.
    pub last_departure_ns: Option<u64>,
    /// How long ago that was; negative if it is still to come.
    pub since_departure_ns: Option<i64>,
    /// Packets handed over more than 10 ms after they were due.
    pub late: u64,
    /// The latest of all, nanoseconds.
    pub worst_late_ns: u64,
    /// Times that the sender woke when a packet should have left before.
    pub underruns: u32,
    /// The process that holds the flow.
    pub pid: u32,
    /// Socket cookie, as `ss --extended` shows it.
    pub cookie: u64,
    /// Id of the map, as `bpftool map` shows it.
    pub map: u32,
    /// Its slot in the map.
    pub slot: u32,
}

/// Packets dropped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Why, in a few words.
    pub reason: &'static str,
    /// How many.
    pub packets: u64,
}

impl View {
    /// `flow` as read in `now`, with its rate since `before`. `name`: this
    /// network namespace's interface of an index.
    pub fn new(flow: &Found, now: &Reading, before: &Reading, name: impl Fn(u32) -> Option<String>) -> Self {
        let pid = Process::from_bits(flow.state.owner).pid;
        let name = |index| if is_of_our_network(pid) { name(index) } else { None };
        let rate = before.of(flow).and_then(|state| Rate::between(state, &flow.state, before.until(now)));
        Self::of(flow, now.at, rate, name)
    }

    /// The pure part of [`Self::new`].
    #[expect(clippy::cast_precision_loss, reason = "an average is shown rounded")]
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers have 16 bits")]
    fn of(flow: &Found, now: u64, rate: Option<Rate>, name: impl Fn(u32) -> Option<String>) -> Self {
        let Found { map, slot, state } = flow;
        let departed = (state.last_departure != 0).then_some(state.last_departure);
        Self {
            destination: address(state, state.destination, state.destination_port),
            source: address(state, state.source, state.source_port),
            interface: name(state.ifindex),
            interface_index: state.ifindex,
            segmenter: if state.segmenter == 0 { None } else { name(state.segmenter) },
            segmenter_index: state.segmenter,
            ssrc: state.ssrc,
            payload_type: state.payload_type,
            clock_rate: state.clock_rate,
            payload: state.payload,
            checksum: if state.checksum == 0 { "zero" } else { "full" },
            first_sequence: state.first_sequence,
            next_sequence: state.next_sequence as u16,
            last_timestamp: (state.packets != 0).then_some(state.last_timestamp),
            prepared: state.prepared != 0,
            packets: state.packets,
            octets: state.octets,
            packets_per_second: rate.map(|rate| rate.packets),
            bits_per_second: rate.map(|rate| rate.bits),
            batches: state.batches,
            packets_per_batch: (state.batches != 0).then(|| state.packets as f64 / state.batches as f64),
            dropped: state.drops.iter().fold(0, |sum, count| sum.saturating_add(*count)),
            drops: drops(&state.drops),
            last_departure_ns: departed,
            since_departure_ns: departed.map(|departed| now.wrapping_sub(departed).cast_signed()),
            late: state.late,
            worst_late_ns: state.worst_late,
            underruns: state.underruns,
            pid: Process::from_bits(state.owner).pid,
            cookie: state.cookie,
            map: *map,
            slot: *slot,
        }
    }
}

fn drops(counts: &[u64; DROPS]) -> Vec<Dropped> {
    let named = Reason::ALL.iter().zip(counts).filter(|(_, packets)| **packets != 0);
    named.map(|(reason, packets)| Dropped { reason: reason.words(), packets: *packets }).collect()
}

fn address(state: &FlowState, octets: [u8; 16], port: u16) -> SocketAddr {
    let ip = if state.family == 6 {
        IpAddr::from(octets)
    } else {
        let [a, b, c, d, ..] = octets;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    SocketAddr::new(ip, port)
}

/// Whether interface indexes mean the same to `pid` as to us.
fn is_of_our_network(pid: u32) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    of(&pid.to_string()).is_some_and(|theirs| Some(theirs) == of("self"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Dropped, View, is_of_our_network};
    use crate::{
        flows::{rate::Rate, reading::Found},
        process::Process,
    };
    use rtp_common::flow::FlowState;

    /// A flow in mid-stream, seen at 5,000,000,000 ns, with a rate.
    pub fn view(change: impl FnOnce(&mut FlowState)) -> View {
        let mut state = FlowState {
            owner: Process { pid: 1234, start: 99 }.to_bits(),
            cookie: 77,
            ssrc: 0x0102_abcd,
            first_sequence: 65_000,
            payload_type: 33,
            family: 4,
            ifindex: 2,
            segmenter: 3,
            checksum: 1,
            destination: [239, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            source: [10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            destination_port: 5004,
            source_port: 40_000,
            clock_rate: 90_000,
            payload: 1316,
            packets: 12_345,
            octets: 16_246_020,
            last_departure: 4_997_000_000,
            next_sequence: 11_809,
            last_timestamp: 2_883_842,
            batches: 257,
            underruns: 2,
            late: 7,
            worst_late: 35_000_000,
            ..FlowState::default()
        };
        change(&mut state);
        let name = |index| ["eth0", "krtp0"].get((index as usize).wrapping_sub(2)).map(ToString::to_string);
        let rate = Some(Rate { packets: 960.0, bits: 10_106_880.0 });
        View::of(&Found { map: 8, slot: 1, state }, 5_000_000_000, rate, name)
    }

    #[test]
    fn a_state_becomes_its_view() {
        let view = view(|state| state.drops = [0, 10, 0, 2]);
        assert_eq!(view.destination.to_string(), "239.1.2.3:5004");
        assert_eq!(view.source.to_string(), "10.0.0.1:40000");
        assert_eq!(view.interface.as_deref(), Some("eth0"));
        assert_eq!(view.segmenter.as_deref(), Some("krtp0"));
        assert_eq!((view.pid, view.map, view.slot), (1234, 8, 1));
        assert_eq!((view.next_sequence, view.last_timestamp), (11_809, Some(2_883_842)));
        assert_eq!(view.since_departure_ns, Some(3_000_000));
        assert_eq!((view.late, view.worst_late_ns, view.underruns), (7, 35_000_000, 2));
        assert_eq!(view.dropped, 12);
        assert_eq!(
            view.drops,
            [
                Dropped { reason: "sum and timeline missing", packets: 10 },
                Dropped { reason: "no segmenter", packets: 2 }
            ]
        );
    }

    #[test]
    fn ipv6_addresses_are_whole() {
        let view = view(|state| {
            state.family = 6;
            state.destination = "2001:db8::1".parse::<std::net::Ipv6Addr>().expect("an address").octets();
        });
        assert_eq!(view.destination.to_string(), "[2001:db8::1]:5004");
    }

    #[test]
    fn the_sequence_number_wraps_at_16_bits() {
        assert_eq!(view(|state| state.next_sequence = 0x1_0000).next_sequence, 0);
        assert_eq!(view(|state| state.next_sequence = 0xffff).next_sequence, 65_535);
    }

    #[test]
    fn what_has_not_happened_is_not_shown_as_zero() {
        let view = view(|state| (state.packets, state.batches, state.last_departure) = (0, 0, 0));
        assert_eq!(view.last_timestamp, None);
        assert_eq!(view.packets_per_batch, None);
        assert_eq!((view.last_departure_ns, view.since_departure_ns), (None, None));
    }

    #[test]
    fn a_departure_may_be_still_to_come() {
        let view = view(|state| state.last_departure = 5_002_000_000);
        assert_eq!(view.since_departure_ns, Some(-2_000_000));
    }

    #[test]
    fn json_has_one_name_for_each_thing() {
        let json = serde_json::to_value(view(|_| ())).expect("it serializes");
        for (field, expected) in [
            ("destination", serde_json::json!("239.1.2.3:5004")),
            ("ssrc", serde_json::json!(0x0102_abcd)),
            ("packets_per_second", serde_json::json!(960.0)),
            ("drops", serde_json::json!([])),
            ("checksum", serde_json::json!("full")),
            ("prepared", serde_json::json!(false)),
        ] {
            assert_eq!(json[field], expected, "{field}");
        }
    }

    #[test]
    fn our_own_network_is_ours() {
        assert!(is_of_our_network(std::process::id()));
        assert!(!is_of_our_network(u32::MAX), "no such process");
    }
}
