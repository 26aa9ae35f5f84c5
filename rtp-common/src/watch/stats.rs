//! What is kept of one stream, and how a packet changes it.

use super::{
    frame::{Header, Key},
    histogram::{LATENESS, SPANS, count, lateness_index, span_index},
    sequence::{Arrival, Sequence},
    timing::{jitter, signed_nanos},
};
use bytemuck::{Pod, Zeroable};

/// One entry of the map `STREAMS`.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Stream {
    /// Whose packets these are.
    pub key: Key,
    /// One while a CPU works on this entry.
    pub lock: u32,
    /// Clock rate of the timestamps, Hz, as known for the first packet's payload
    /// type; zero: not known.
    pub clock_rate: u32,
    /// What there is to know.
    pub stats: Stats,
}

const _: () = {
    assert!(size_of::<Stream>() == 20_736);
    assert!(core::mem::offset_of!(Stream, stats) == 48);
};

/// Counters and histograms of one stream. All times are nanoseconds of
/// `CLOCK_MONOTONIC`. All zero before the first packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Stats {
    /// Packets that came, whatever their number.
    pub packets: u64,
    /// Their payload octets (RFC 3550 §6.4.1: without header and padding).
    pub octets: u64,
    /// How many had the marker bit.
    pub markers: u64,
    /// Their sequence numbers.
    pub sequence: Sequence,
    /// Arrival of the first packet.
    pub first_arrival: u64,
    /// Arrival of the last packet that was neither a duplicate nor a stray; so
    /// for all that follows.
    pub last_arrival: u64,
    /// RTP timestamp of the first packet.
    pub first_timestamp: u32,
    /// RTP timestamp of the last packet.
    pub last_timestamp: u32,
    /// From the first packet's timestamp to the last one's, wraps counted.
    pub ticks: i64,
    /// Jitter (RFC 3550 §6.4.1), sixteenths of a nanosecond.
    pub jitter: u64,
    /// The largest it has been.
    pub max_jitter: u64,
    /// Packets in a row, up to the last, that came in less than half of their
    /// due gap; one: the last did not.
    pub burst: u64,
    /// The longest of these.
    pub longest_burst: u64,
    /// The longest time between two packets.
    pub max_gap: u64,
    /// The largest difference between that time and the due one.
    pub max_error: u64,
    /// How far the packet that was earliest came before its due time; due
    /// times are those of the timestamps, the first packet being on time.
    pub earliest: i64,
    /// How far the latest came behind its due time.
    pub latest: i64,
    /// Payload type of the last packet.
    pub payload_type: u32,
    /// Zero.
    pub reserved: u32,
    /// The time between two packets, by [`span_index`].
    pub gaps: [u32; SPANS],
    /// The difference between that and the due time, by [`span_index`].
    pub errors: [u32; SPANS],
    /// Arrival after due time, by [`lateness_index`].
    pub lateness: [u32; LATENESS],
}

/// What a packet tells its stream.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Its RTP header.
    pub header: Header,
    /// Octets of payload.
    pub octets: u32,
    /// When it came.
    pub arrival: u64,
}

impl Stats {
    /// Takes the next packet, whose stream's clock runs at `rate` Hz (zero: not known).
    #[inline(always)]
    pub fn arrive(&mut self, packet: &Packet, rate: u32) {
        let header = packet.header;
        self.packets += 1;
        self.octets += u64::from(packet.octets);
        self.markers += u64::from(header.marker());
        self.payload_type = u32::from(header.payload_type());
        match self.sequence.arrive(header.sequence()) {
            Arrival::First => self.begin(packet, rate),
            Arrival::Next | Arrival::Late => self.follow(packet, rate),
            Arrival::Restart => self.resume(packet, rate),
            Arrival::Duplicate | Arrival::Stray => {}
        }
    }

    #[inline(always)]
    fn begin(&mut self, packet: &Packet, rate: u32) {
        self.first_arrival = packet.arrival;
        self.last_arrival = packet.arrival;
        self.first_timestamp = packet.header.timestamp;
        self.last_timestamp = packet.header.timestamp;
        self.burst = 1;
        self.longest_burst = 1;
        self.place(rate);
    }

    #[inline(always)]
    fn follow(&mut self, packet: &Packet, rate: u32) {
        let gap = packet.arrival.saturating_sub(self.last_arrival);
        let step = packet.header.timestamp.wrapping_sub(self.last_timestamp).cast_signed();
        self.last_arrival += gap;
        self.last_timestamp = packet.header.timestamp;
        self.ticks += i64::from(step);
        count(&mut self.gaps[span_index(gap)]);
        self.max_gap = self.max_gap.max(gap);
        if rate == 0 {
            return;
        }
        self.compare(gap.cast_signed(), signed_nanos(i64::from(step), rate));
        self.place(rate);
    }

    /// Holds the `gap` between two packets against the `due` one.
    #[inline(always)]
    fn compare(&mut self, gap: i64, due: i64) {
        let error = gap.wrapping_sub(due).unsigned_abs();
        count(&mut self.errors[span_index(error)]);
        self.max_error = self.max_error.max(error);
        self.jitter = jitter(self.jitter, error);
        self.max_jitter = self.max_jitter.max(self.jitter);
        self.burst = if gap < due / 2 { self.burst + 1 } else { 1 };
        self.longest_burst = self.longest_burst.max(self.burst);
    }

    /// Places the last packet's arrival against its due time.
    #[inline(always)]
    fn place(&mut self, rate: u32) {
        if rate == 0 {
            return;
        }
        let since_first = self.last_arrival.wrapping_sub(self.first_arrival).cast_signed();
        let lateness = since_first.wrapping_sub(signed_nanos(self.ticks, rate));
        count(&mut self.lateness[lateness_index(lateness)]);
        self.earliest = self.earliest.min(lateness);
        self.latest = self.latest.max(lateness);
    }

    /// The sender began anew, and its timestamps with it: this packet is as
    /// late as the one before.
    #[inline(always)]
    fn resume(&mut self, packet: &Packet, rate: u32) {
        let gap = packet.arrival.saturating_sub(self.last_arrival);
        self.last_arrival += gap;
        self.last_timestamp = packet.header.timestamp;
        // Pauses of minutes at most: the product stays within 64 bits.
        let ticks = (gap / 1000).wrapping_mul(u64::from(rate)) / 1_000_000;
        self.ticks += ticks.cast_signed();
        self.burst = 1;
    }
}

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, integers only, no implicit padding (bytemuck's derive of
// `Pod` would not compile otherwise).
unsafe impl aya::Pod for Stream {}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Header, Packet, Stats};
    use crate::watch::histogram::{lateness_index, span_index};
    use bytemuck::Zeroable as _;
    use proptest::prelude::*;
    use std::{boxed::Box, vec::Vec};

    fn packet(sequence: u16, timestamp: u32, arrival: u64) -> Packet {
        Packet { header: Header { word: 0x8021_0000 | u32::from(sequence), timestamp }, octets: 100, arrival }
    }

    fn stats(packets: &[Packet], rate: u32) -> Box<Stats> {
        let mut stats = Box::new(Stats::zeroed());
        for packet in packets {
            stats.arrive(packet, rate);
        }
        stats
    }

    /// What the definitions say, in floating point and without histograms.
    #[derive(Debug, Default)]
    struct Model {
        jitter: f64,
        longest_burst: u64,
        max_error: f64,
        earliest: f64,
        latest: f64,
    }

    fn model(packets: &[(u64, i64)], rate: f64) -> Model {
        let mut model = Model { longest_burst: 1, ..Model::default() };
        let due = |ticks: i64| ticks as f64 * 1e9 / rate;
        let mut burst = 1;
        for (last, next) in packets.iter().zip(&packets[1..]) {
            let (gap, due_gap) = ((next.0 - last.0) as f64, due(next.1 - last.1));
            let error = (gap - due_gap).abs();
            model.jitter += (error - model.jitter) / 16.0;
            model.max_error = model.max_error.max(error);
            burst = if gap < due_gap / 2.0 { burst + 1 } else { 1 };
            model.longest_burst = model.longest_burst.max(burst);
            let lateness = (next.0 - packets[0].0) as f64 - due(next.1 - packets[0].1);
            model.earliest = model.earliest.min(lateness);
            model.latest = model.latest.max(lateness);
        }
        model
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn figures_are_those_of_the_definitions(
            first in any::<(u16, u32)>(),
            steps in prop::collection::vec((0u64..20_000_000, -2000i64..4000), 1..200),
        ) {
            // (arrival, ticks since the first packet)
            let mut at = Vec::from([(5_000_000_000u64, 0i64)]);
            for (gap, ticks) in steps {
                let last = at[at.len() - 1];
                at.push((last.0 + gap, last.1 + ticks));
            }
            let packets: Vec<Packet> = (0u16..).zip(&at).map(|(number, (arrival, ticks))| {
                packet(first.0.wrapping_add(number), first.1.wrapping_add_signed(*ticks as i32), *arrival)
            }).collect();
            let (stats, model) = (stats(&packets, 90_000), model(&at, 90_000.0));
            // Due times are rounded down to a nanosecond.
            prop_assert!((stats.jitter as f64 / 16.0 - model.jitter).abs() < 3.0, "{model:?}");
            prop_assert!((stats.max_error as f64 - model.max_error).abs() < 3.0, "{model:?}");
            prop_assert!((stats.earliest as f64 - model.earliest).abs() < 3.0, "{model:?}");
            prop_assert!((stats.latest as f64 - model.latest).abs() < 3.0, "{model:?}");
            prop_assert_eq!(stats.longest_burst, model.longest_burst);
            prop_assert_eq!(stats.ticks, at[at.len() - 1].1);
            let counted = |counts: &[u32]| counts.iter().sum::<u32>() as usize;
            prop_assert_eq!(counted(&stats.gaps), packets.len() - 1);
            prop_assert_eq!(counted(&stats.errors), packets.len() - 1);
            prop_assert_eq!(counted(&stats.lateness), packets.len());
        }
    }

    #[test]
    fn a_steady_stream_is_on_time() {
        let packets: Vec<Packet> =
            (0..100).map(|n| packet(n, u32::from(n) * 90, 7 + u64::from(n) * 1_000_000)).collect();
        let stats = stats(&packets, 90_000);
        assert_eq!((stats.jitter, stats.longest_burst, stats.earliest, stats.latest), (0, 1, 0, 0));
        assert_eq!(stats.gaps[span_index(1_000_000)], 99);
        assert_eq!(stats.errors[0], 99);
        assert_eq!(stats.lateness[lateness_index(0)], 100);
        assert_eq!((stats.packets, stats.octets, stats.ticks), (100, 10_000, 8_910));
    }

    #[test]
    fn without_a_rate_only_gaps_are_measured() {
        let stats = stats(&[packet(0, 0, 10), packet(1, 90, 1_000)], 0);
        assert_eq!(stats.max_gap, 990);
        assert_eq!((stats.jitter, stats.max_error, stats.errors.iter().sum::<u32>()), (0, 0, 0));
    }

    #[test]
    fn duplicates_and_strays_have_no_time() {
        let stats = stats(
            &[packet(0, 0, 0), packet(1, 90, 1_000_000), packet(1, 90, 9_000_000), packet(9999, 5, 9)],
            90_000,
        );
        assert_eq!((stats.packets, stats.last_arrival, stats.max_error), (4, 1_000_000, 0));
    }

    #[test]
    fn a_new_beginning_keeps_the_lateness() {
        let second = 1_000_000_000;
        let stats = stats(
            &[
                packet(0, 0, second),
                packet(1, 90_000, 2 * second),
                packet(40_000, 777, 5 * second),
                packet(40_001, 90_777, 6 * second),
                packet(40_002, 180_777, 7 * second),
            ],
            90_000,
        );
        assert_eq!((stats.earliest, stats.latest, stats.max_error), (0, 0, 0));
        assert_eq!((stats.sequence.restarts, stats.ticks), (1, 540_000));
    }
}
