//! fq, the qdisc that keeps departure times: its options and its statistics.

use super::{Drops, Qdisc};
use rtnetlink::{
    packet_core::{DefaultNla, NlasIterator},
    packet_route::tc::TcOption,
};
use std::time::Duration;

/// Options of fq (`linux/pkt_sched.h`).
const TCA_FQ_PLIMIT: u16 = 1;
const TCA_FQ_FLOW_PLIMIT: u16 = 2;
const TCA_FQ_RATE_ENABLE: u16 = 5;
const TCA_FQ_FLOW_MAX_RATE: u16 = 7;
const TCA_FQ_BUCKETS_LOG: u16 = 8;
const TCA_FQ_HORIZON: u16 = 14;
const TCA_FQ_HORIZON_DROP: u16 = 15;

/// Where `struct tc_fq_qd_stats` has its counters, all of 64 bits.
const FLOWS_PLIMIT: usize = 4 * 8;
const HORIZON_DROPS: usize = 8 * 8 + 4 * 4 + 8;

/// How far ahead a departure may be. It is fq's own default: we only say it, so
/// that nobody has to know.
pub const HORIZON: Duration = Duration::from_secs(10);
/// What fq holds by default, kept free for everybody else.
const BYSTANDERS: u32 = 10_000;
/// A limit beyond which nobody's memory is served: two gigabytes and more.
const MOST: u32 = 1 << 20;
/// Buckets that flows are hashed to, as a power of two: fq's default, and the
/// most that it takes (`fq_change`).
const BUCKETS: u32 = 10;
const MOST_BUCKETS: u32 = 18;

/// What an fq can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fq {
    /// Packets of all flows; it drops what comes on top.
    pub limit: u32,
    /// Packets of one flow.
    pub flow_limit: u32,
    /// How far ahead a departure may be.
    pub horizon: Duration,
    /// Whether a packet beyond the horizon is dropped; else it leaves there.
    pub drops_beyond: bool,
    /// Octets per second that one flow may send, with all headers; none: as
    /// many as it likes.
    pub max_rate: Option<u32>,
    /// The interface that it is on: of a VLAN the one below.
    pub interface: String,
}

/// What is going to come through fq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Packets of one flow that are handed over before their time.
    pub packets_per_flow: u32,
    /// Flows.
    pub flows: u32,
    /// Octets per second that fq is to let one flow send, with all headers;
    /// none: nobody asks for that.
    pub max_rate: Option<u32>,
}

impl Load {
    /// Where nobody knows yet how fast the flows will be: half a second of
    /// 200 Mb/s each.
    pub const fn of_flows(flows: u32) -> Self {
        Self { packets_per_flow: 10_000, flows, max_rate: None }
    }

    /// What one flow may have waiting: a quarter more than it is said to have.
    fn flow_limit(self) -> u32 {
        self.packets_per_flow.saturating_add(self.packets_per_flow / 4).clamp(100, MOST)
    }

    /// What all of them may.
    fn limit(self) -> u32 {
        self.flow_limit().saturating_mul(self.flows).min(MOST)
    }
}

/// What krtp asks of an fq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets of all flows.
    pub limit: u32,
    /// Packets of one flow.
    pub flow_limit: u32,
    /// How far ahead a departure may be, µs.
    horizon: u32,
    /// Octets per second of one flow; none: without end.
    max_rate: Option<u32>,
    /// Buckets, as a power of two; none: as they are.
    buckets: Option<u32>,
}

impl Limits {
    /// Of an fq made for `load`.
    pub fn of(load: Load) -> Self {
        let buckets = load.flows.saturating_mul(2).checked_next_power_of_two().map_or(u32::MAX, u32::ilog2);
        Self {
            limit: load.limit().saturating_add(BYSTANDERS),
            flow_limit: load.flow_limit(),
            horizon: micros(HORIZON),
            max_rate: load.max_rate,
            buckets: Some(buckets.clamp(BUCKETS, MOST_BUCKETS)),
        }
    }

    /// Those of `fq`, raised so that `load` fits on top of what it was made for.
    pub fn raised(fq: &Fq, load: Load) -> Self {
        Self {
            limit: fq.limit.saturating_add(load.limit()).min(MOST + BYSTANDERS).max(fq.limit),
            flow_limit: fq.flow_limit.max(load.flow_limit()),
            horizon: micros(fq.horizon.max(HORIZON)),
            max_rate: load.max_rate.or(fq.max_rate),
            buckets: None,
        }
    }

    /// Those of `fq`, which others rely on, raised so that `load` fits on top
    /// of theirs: of two rates the higher one, which is the one that both can
    /// do with, and none at all where others have none.
    pub fn shared(fq: &Fq, load: Load) -> Self {
        let higher = fq.max_rate.map(|rate| load.max_rate.map_or(rate, |wished| wished.max(rate)));
        Self { max_rate: higher, ..Self::raised(fq, load) }
    }

    /// Those of `fq` as they are.
    pub fn as_they_are(fq: &Fq) -> Self {
        Self {
            limit: fq.limit,
            flow_limit: fq.flow_limit,
            horizon: micros(fq.horizon),
            max_rate: fq.max_rate,
            buckets: None,
        }
    }

    /// As options of a request.
    pub fn options(self) -> Vec<TcOption> {
        let number = |kind, value: u32| TcOption::Other(DefaultNla::new(kind, value.to_ne_bytes().to_vec()));
        let mut options = vec![
            number(TCA_FQ_PLIMIT, self.limit),
            number(TCA_FQ_FLOW_PLIMIT, self.flow_limit),
            number(TCA_FQ_HORIZON, self.horizon),
            number(TCA_FQ_FLOW_MAX_RATE, self.max_rate.unwrap_or(u32::MAX)),
        ];
        // Made, not changed: then all that matters is said.
        if let Some(buckets) = self.buckets {
            options.push(number(TCA_FQ_BUCKETS_LOG, buckets));
            options.push(number(TCA_FQ_RATE_ENABLE, 1));
            options.push(TcOption::Other(DefaultNla::new(TCA_FQ_HORIZON_DROP, vec![1])));
        }
        options
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Fq {
    /// What `qdisc`, an fq on `interface`, says of itself; what it leaves out
    /// is as the kernel has it by default.
    pub fn of(interface: &str, qdisc: &Qdisc) -> Self {
        let mut fq = Self {
            limit: 10_000,
            flow_limit: 100,
            horizon: HORIZON,
            drops_beyond: true,
            max_rate: None,
            interface: interface.to_owned(),
        };
        for option in NlasIterator::new(&qdisc.options[..]).flatten() {
            let octets = option.value();
            let number = <[u8; 4]>::try_from(octets).map(u32::from_ne_bytes);
            match (option.kind(), number) {
                (TCA_FQ_PLIMIT, Ok(limit)) => fq.limit = limit,
                (TCA_FQ_FLOW_PLIMIT, Ok(limit)) => fq.flow_limit = limit,
                (TCA_FQ_HORIZON, Ok(micros)) => fq.horizon = Duration::from_micros(micros.into()),
                // All ones: no limit (`fq_dump`).
                (TCA_FQ_FLOW_MAX_RATE, Ok(rate)) => fq.max_rate = (rate != u32::MAX).then_some(rate),
                (TCA_FQ_HORIZON_DROP, _) => fq.drops_beyond = octets.first() != Some(&0),
                _ => {}
            }
        }
        fq
    }

    /// The limits that hold on every one of `fqs`: a flow may come to any.
    pub fn smallest(interface: &str, fqs: &[&Qdisc]) -> Self {
        let each = fqs.iter().map(|qdisc| Self::of(interface, qdisc));
        let least = each.reduce(|least, fq| Self {
            limit: least.limit.min(fq.limit),
            flow_limit: least.flow_limit.min(fq.flow_limit),
            horizon: least.horizon.min(fq.horizon),
            drops_beyond: least.drops_beyond || fq.drops_beyond,
            max_rate: [least.max_rate, fq.max_rate].into_iter().flatten().min(),
            interface: fq.interface,
        });
        least.expect("an interface that keeps departure times has an fq")
    }

    /// Its maximum rate, as the end of a sentence; nothing where it has none.
    pub fn rate_in_words(&self) -> String {
        let words = |rate| format!(", no flow above {} b/s", u64::from(rate) * 8);
        self.max_rate.map_or_else(String::new, words)
    }

    /// Whether it holds `load`, and sends none of it faster than was asked for.
    pub fn holds(&self, load: Load) -> bool {
        let flow = load.packets_per_flow;
        let all = flow.saturating_mul(load.flows).min(MOST);
        let slow = load.max_rate.is_none() || load.max_rate == self.max_rate;
        self.flow_limit >= flow && self.limit >= all && self.horizon >= HORIZON && slow
    }
}

/// What `qdisc`, an fq, dropped.
pub(super) fn drops(qdisc: &Qdisc) -> Drops {
    let counter = |at: usize| {
        let octets = qdisc.app.get(at..at + 8).and_then(|octets| octets.try_into().ok());
        octets.map_or(0, u64::from_ne_bytes)
    };
    Drops { all: qdisc.drops.into(), horizon: counter(HORIZON_DROPS), flow_limit: counter(FLOWS_PLIMIT) }
}

#[cfg(test)]
#[path = "fq_tests.rs"]
mod tests;
