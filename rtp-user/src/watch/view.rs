//! What is shown of a stream, and of all of them.

use super::histogram::{Counts, Spans};
use rtp_common::watch::{
    histogram::{LATENESS, SPANS},
    settings::Totals,
    stats::{Stats, Stream},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{Ipv6Addr, SocketAddr},
};

/// One stream. All times are nanoseconds; those of arrival are of
/// `CLOCK_MONOTONIC`, when the packet reached the program. What compares arrivals with timestamps is none
/// where the clock rate is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Where its packets come from.
    pub source: SocketAddr,
    /// Where they go.
    pub destination: SocketAddr,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type of the last packet.
    pub payload_type: u8,
    /// Clock rate of the timestamps, Hz.
    pub clock_rate: Option<u32>,
    /// Counts.
    #[serde(flatten)]
    pub counts: Packets,
    /// The lowest sequence number (since the sender last began anew).
    pub first_sequence: u16,
    /// The highest.
    pub last_sequence: u16,
    /// Timestamp of the first packet.
    pub first_timestamp: u32,
    /// Of the last one.
    pub last_timestamp: u32,
    /// From the one to the other, wraps counted, ticks.
    pub timestamp_ticks: i64,
    /// Arrival of the first packet.
    pub first_arrival_ns: u64,
    /// Of the last one.
    pub last_arrival_ns: u64,
    /// From the one to the other.
    pub seconds: f64,
    /// How much faster than the clock of the timestamps the packets came, parts
    /// per million, between the first and the last.
    pub rate_ppm: Option<f64>,
    /// Jitter (RFC 3550 §6.4.1).
    pub jitter_ns: Option<f64>,
    /// The same in ticks, as a receiver report has it.
    pub jitter_ticks: Option<f64>,
    /// The largest that it has been.
    pub max_jitter_ns: Option<f64>,
    /// Times between two packets and so on.
    #[serde(flatten)]
    pub times: Times,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packets {
    /// Packets that came.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// How many had the marker bit.
    pub markers: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// Packets that came behind one with a higher sequence number.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets whose sequence number was far from all others.
    pub strays: u64,
    /// How often the sender began anew.
    pub restarts: u64,
}

/// What is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Most packets in a row that came in less than half of their due time; 1:
    /// none did.
    pub longest_burst: Option<u64>,
    /// Time between two packets.
    pub interarrival: Option<Spans>,
    /// Difference between that and the time by their timestamps.
    pub interarrival_error: Option<Spans>,
    /// Arrival against due time.
    pub lateness: Option<Lateness>,
}

/// Arrival against the straight line of the timestamps through the stream's median.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lateness {
    /// Where the median itself lies from the line through the first packet.
    pub median_after_first_ns: i64,
    /// The earliest packet, against the median.
    pub earliest_ns: i64,
    /// One of 100 came earlier.
    pub p1_ns: i64,
    /// One of 100 came later.
    pub p99_ns: i64,
    /// The latest packet.
    pub latest_ns: i64,
    /// Share of packets (0 to 1) within that many milliseconds of the median.
    pub within_ms: BTreeMap<u32, f64>,
}

/// All streams together.
#[derive(Clone, Debug, Serialize)]
pub struct Total {
    /// How many.
    pub streams: usize,
    /// Counts of all.
    #[serde(flatten)]
    pub counts: Packets,
    /// Times of all.
    #[serde(flatten)]
    pub times: Times,
}

/// Everything that was seen. `--json` prints exactly these fields.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The interface.
    pub interface: String,
    /// Where the program ran.
    pub path: &'static str,
    /// Whether what was followed was dropped.
    pub dropped: bool,
    /// All streams together.
    pub total: Total,
    /// Packets of streams for which there was no room, not followed.
    pub without_room: u64,
    /// Batches that came uncut, not followed.
    pub batches: u64,
    /// Packets that are missing from the counts because another CPU was busy with the stream.
    pub busy: u64,
    /// The streams, in the order of their first packets.
    pub streams: Vec<View>,
}

/// The spans that shares are given for, milliseconds.
const WITHIN: [u32; 5] = [1, 2, 5, 10, 20];

impl View {
    /// What there is to say of `stream`.
    pub fn new(stream: &Stream) -> Self {
        let stats = &stream.stats;
        let rate = (stream.clock_rate != 0).then_some(stream.clock_rate);
        let seconds = stats.last_arrival.saturating_sub(stats.first_arrival) as f64 / 1e9;
        let jitter = rate.map(|_| stats.jitter as f64 / 16.0);
        Self {
            source: address(stream.key.source, stream.key.source_port),
            destination: address(stream.key.destination, stream.key.destination_port),
            ssrc: stream.key.ssrc,
            payload_type: stats.payload_type as u8,
            clock_rate: rate,
            counts: Packets::of(stats),
            first_sequence: stats.sequence.base as u16,
            last_sequence: stats.sequence.highest as u16,
            first_timestamp: stats.first_timestamp,
            last_timestamp: stats.last_timestamp,
            timestamp_ticks: stats.ticks,
            first_arrival_ns: stats.first_arrival,
            last_arrival_ns: stats.last_arrival,
            seconds,
            rate_ppm: rate
                .filter(|_| seconds > 0.0)
                .map(|rate| (stats.ticks as f64 / f64::from(rate) / seconds - 1.0) * 1e6),
            jitter_ns: jitter,
            jitter_ticks: rate.zip(jitter).map(|(rate, jitter)| jitter * f64::from(rate) / 1e9),
            max_jitter_ns: rate.map(|_| stats.max_jitter as f64 / 16.0),
            times: Times::of(stream),
        }
    }
}

impl Packets {
    fn of(stats: &Stats) -> Self {
        Self {
            packets: stats.packets,
            octets: stats.octets,
            markers: stats.markers,
            lost: stats.sequence.lost(),
            reordered: stats.sequence.late,
            duplicates: stats.sequence.duplicates,
            strays: stats.sequence.strays,
            restarts: stats.sequence.restarts,
        }
    }

    fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.markers += other.markers;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.duplicates += other.duplicates;
        self.strays += other.strays;
        self.restarts += other.restarts;
    }
}

impl Times {
    fn of(stream: &Stream) -> Self {
        let stats = &stream.stats;
        let known = stream.clock_rate != 0;
        let lateness = Counts::of(&stats.lateness);
        Self {
            longest_burst: known.then_some(stats.longest_burst),
            interarrival: Counts::of(&stats.gaps).spans(stats.max_gap),
            interarrival_error: Counts::of(&stats.errors).spans(stats.max_error),
            lateness: Lateness::of(&lateness, stats.earliest, stats.latest),
        }
    }
}

impl Lateness {
    fn of(counts: &Counts, earliest: i64, latest: i64) -> Option<Self> {
        // The middle of a bucket may lie beyond the outermost packet.
        let median = counts.lateness(0.5)?.clamp(earliest.min(latest), latest);
        let share = |millis: u32| (millis, counts.share_within(median, i64::from(millis) * 1_000_000));
        Some(Self {
            median_after_first_ns: median,
            earliest_ns: earliest - median,
            p1_ns: counts.lateness(0.01)?.clamp(earliest, median) - median,
            p99_ns: counts.lateness(0.99)?.clamp(median, latest) - median,
            latest_ns: latest - median,
            within_ms: WITHIN.into_iter().map(share).collect(),
        })
    }
}

/// Adds streams up.
#[derive(Debug)]
struct Sum {
    streams: usize,
    counts: Packets,
    gaps: Counts,
    errors: Counts,
    /// Each stream's around its own median.
    lateness: Counts,
    max_gap: u64,
    max_error: u64,
    earliest: i64,
    latest: i64,
    longest_burst: Option<u64>,
}

impl Sum {
    /// Of none.
    fn new() -> Self {
        Self {
            streams: 0,
            counts: Packets::default(),
            gaps: Counts::new(SPANS),
            errors: Counts::new(SPANS),
            lateness: Counts::new(LATENESS),
            max_gap: 0,
            max_error: 0,
            earliest: 0,
            latest: 0,
            longest_burst: None,
        }
    }

    /// Adds `stream`, of which `view` is the view.
    fn add(&mut self, stream: &Stream, view: &View) {
        let stats = &stream.stats;
        self.streams += 1;
        self.counts.add(&view.counts);
        self.gaps.add(&Counts::of(&stats.gaps), 0);
        self.errors.add(&Counts::of(&stats.errors), 0);
        let lateness = Counts::of(&stats.lateness);
        self.lateness.add(&lateness, -lateness.median_shift());
        self.max_gap = self.max_gap.max(stats.max_gap);
        self.max_error = self.max_error.max(stats.max_error);
        if let Some(lateness) = &view.times.lateness {
            self.earliest = self.earliest.min(lateness.earliest_ns);
            self.latest = self.latest.max(lateness.latest_ns);
        }
        self.longest_burst = self.longest_burst.max(view.times.longest_burst);
    }

    /// The sum.
    fn total(&self) -> Total {
        let times = Times {
            longest_burst: self.longest_burst,
            interarrival: self.gaps.spans(self.max_gap),
            interarrival_error: self.errors.spans(self.max_error),
            lateness: Lateness::of(&self.lateness, self.earliest, self.latest),
        };
        Total { streams: self.streams, counts: self.counts, times }
    }
}

impl Report {
    /// Of `streams` that came to `interface`.
    pub fn new(
        interface: &str,
        path: &'static str,
        dropped: bool,
        totals: &Totals,
        streams: impl Iterator<Item = Box<Stream>>,
    ) -> Self {
        let mut sum = Sum::new();
        let look = |stream: Box<Stream>| {
            let view = View::new(&stream);
            sum.add(&stream, &view);
            view
        };
        let streams = streams.map(look).collect();
        Self {
            interface: interface.to_owned(),
            path,
            dropped,
            total: sum.total(),
            without_room: totals.no_place,
            batches: totals.batches,
            busy: totals.busy,
            streams,
        }
    }
}

fn address(words: [u32; 4], port: u16) -> SocketAddr {
    let octets: [u8; 16] = bytemuck::cast(words);
    SocketAddr::new(Ipv6Addr::from(octets).to_canonical(), port)
}
