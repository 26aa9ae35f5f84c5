//! What is reported at the end.

use super::{
    Options,
    facts::{Facts, FlowFacts},
    sender::Outcome,
};
use crate::{
    engine::{Checksum, SendError, Totals},
    pace::Lateness,
};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use std::fmt;

/// Flows that are listed for people; of more, only those that were late or failed.
const LISTED: usize = 16;

/// The end of all streams: one JSON object, or some lines for people.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The first stream's first file.
    pub file: String,
    /// Where to, of all streams.
    pub destinations: Vec<String>,
    /// "kernel", "user" or "prepared": the first stream's.
    pub engine: &'static str,
    /// The interface of the first flow.
    pub interface: String,
    /// What the kernel engine uses there, or why it is not used.
    pub path: String,
    /// How the first stream was paced.
    pub pacing: String,
    /// "end", "stopped" or "failed".
    pub ended: &'static str,
    /// Why it failed: the first stream that did.
    pub error: Option<String>,
    /// Streams.
    pub streams: usize,
    /// Packets of all flows.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// `sendfile` calls (kernel engine, prepared files).
    pub sendfile_calls: u64,
    /// `sendmsg` calls (user engine).
    pub sendmsg_calls: u64,
    /// From the first packet to after the last.
    pub seconds: f64,
    /// CPU of this process in user space, since its start.
    pub cpu_user_seconds: f64,
    /// CPU of this process in the kernel, since its start.
    pub cpu_system_seconds: f64,
    /// Times that it gave the CPU up to wait, since its start.
    pub wake_ups: u64,
    /// Packets that the qdiscs dropped which keep departure times, of any sender.
    pub qdisc_drops: u64,
    /// How late packets were handed over, of all streams.
    pub lateness: Lateness,
    /// The first flow, at the top level for the common case of one.
    #[serde(flatten)]
    pub first: FlowReport,
    /// Every flow.
    pub flows: Vec<FlowReport>,
}

/// One flow's part.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// The files.
    pub files: Vec<String>,
    /// Where to.
    pub destination: String,
    /// Where from.
    pub source: String,
    /// Through which interface.
    #[serde(rename = "flow_interface")]
    pub interface: String,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Hz.
    pub clock_rate: u32,
    /// Octets of a full payload.
    pub payload: u32,
    /// The UDP checksum.
    pub checksum: Checksum,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// Of the last; none if nothing was sent.
    pub last_sequence: Option<u16>,
    /// Timestamp of the first packet.
    pub first_timestamp: u32,
    /// Of the last; none if nothing was sent.
    pub last_timestamp: Option<u32>,
    /// Packets of this flow.
    pub flow_packets: u64,
    /// Payload octets of this flow.
    pub flow_octets: u64,
    /// Times that the destination's host answered "port unreachable".
    pub refused: u64,
    /// How late packets were handed over, of the flow's stream.
    pub flow_lateness: Lateness,
    /// Why the flow's stream failed, if it did.
    pub failure: Option<String>,
}

impl Report {
    pub(super) fn new(options: &[Options], facts: &[Facts], outcomes: &[Outcome], qdisc_drops: u64) -> Self {
        let streams = || options.iter().zip(facts).zip(outcomes);
        let flows: Vec<FlowReport> = streams()
            .flat_map(|((options, facts), outcome)| {
                let flows = facts.flows.iter().zip(&outcome.totals);
                flows.map(move |(flow, totals)| FlowReport::new(options, flow, totals, outcome))
            })
            .collect();
        let sum = |of: fn(&Totals) -> u64| -> u64 {
            outcomes.iter().flat_map(|outcome| &outcome.totals).map(of).sum()
        };
        let calls_of = |engine: &str| -> u64 {
            let of = streams().filter(|((_, facts), _)| facts.engine == engine);
            of.flat_map(|(_, outcome)| &outcome.totals).map(|totals| totals.calls).sum()
        };
        let usage = usage();
        let error = flows.iter().find_map(|flow| flow.failure.clone());
        let stopped = outcomes.iter().any(|outcome| outcome.stopped);
        let longest = outcomes.iter().map(|outcome| outcome.elapsed).max().unwrap_or_default();
        Self {
            file: flows[0].files[0].clone(),
            destinations: flows.iter().map(|flow| flow.destination.clone()).collect(),
            engine: facts[0].engine,
            interface: flows[0].interface.clone(),
            path: facts[0].path.clone(),
            pacing: facts[0].pacing.clone(),
            ended: match (&error, stopped) {
                (Some(_), _) => "failed",
                (None, true) => "stopped",
                (None, false) => "end",
            },
            error,
            streams: outcomes.len(),
            packets: sum(|totals| totals.packets),
            octets: sum(|totals| totals.octets),
            sendfile_calls: calls_of("kernel") + calls_of("prepared"),
            sendmsg_calls: calls_of("user"),
            seconds: longest.as_secs_f64(),
            cpu_user_seconds: usage.user,
            cpu_system_seconds: usage.system,
            wake_ups: usage.wake_ups,
            qdisc_drops,
            lateness: outcomes
                .iter()
                .map(|outcome| outcome.lateness)
                .fold(Lateness::default(), Lateness::and),
            first: flows[0].clone(),
            flows,
        }
    }

    /// Why it failed, if it did: a line for each stream that did.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::BTreeSet::new();
        self.flows.iter().filter_map(|flow| flow.failure.as_deref()).filter(move |why| seen.insert(*why))
    }
}

/// Errors of the network name flow and interface themselves; all name the file.
fn failed(options: &Options, error: &SendError) -> String {
    match error {
        SendError::File(error) => error.to_string(),
        other => format!("{}: {other}", options.files[0].display()),
    }
}

impl FlowReport {
    fn new(options: &Options, facts: &FlowFacts, totals: &Totals, outcome: &Outcome) -> Self {
        let sent = totals.packets > 0;
        Self {
            files: options.files.iter().map(|file| file.display().to_string()).collect(),
            destination: facts.destination.to_string(),
            source: facts.source.to_string(),
            interface: facts.interface.clone(),
            ssrc: facts.setting.ssrc,
            payload_type: facts.setting.payload_type,
            clock_rate: facts.setting.clock_rate,
            payload: facts.setting.payload,
            checksum: facts.setting.checksum,
            first_sequence: facts.setting.first_sequence,
            last_sequence: sent.then_some(totals.last_sequence),
            first_timestamp: facts.timestamp,
            last_timestamp: sent.then_some(totals.last_timestamp),
            flow_packets: totals.packets,
            flow_octets: totals.octets,
            refused: totals.refused,
            flow_lateness: outcome.lateness,
            failure: outcome.error.as_ref().map(|error| failed(options, error)),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {}: ssrc 0x{:08x}, sequence {} to {},\n    timestamp {} to {}",
            self.destination,
            self.ssrc,
            self.first_sequence,
            self.last_sequence.map_or_else(|| "-".into(), |number| number.to_string()),
            self.first_timestamp,
            self.last_timestamp.map_or_else(|| "-".into(), |number| number.to_string()),
        )
    }

    fn is_worth_a_word(&self) -> bool {
        self.failure.is_some() || self.flow_lateness.late > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.ended {
            "end" => "sent",
            "stopped" => "stopped after",
            _ => "failed after",
        };
        let calls = self.sendfile_calls + self.sendmsg_calls;
        let of = if self.streams > 1 { format!(" of {} streams", self.streams) } else { String::new() };
        writeln!(
            f,
            "{verb} {} packets{of}, {} in {:.2} s ({:.2} Mb/s), {} system calls",
            HumanCount(self.packets),
            HumanBytes(self.octets),
            self.seconds,
            self.octets as f64 * 8.0 / self.seconds.max(1e-9) / 1e6,
            HumanCount(calls),
        )?;
        let all = self.flows.len() <= LISTED;
        let listed = self.flows.iter().filter(|flow| all || flow.is_worth_a_word());
        for flow in listed.clone().take(LISTED) {
            flow.show(f)?;
        }
        let unlisted = listed.count().saturating_sub(LISTED);
        if unlisted > 0 {
            writeln!(f, "  and {unlisted} more that were late or failed (--json has all)")?;
        }
        write!(
            f,
            "  cpu {:.3} s user, {:.3} s system, {} wake-ups",
            self.cpu_user_seconds,
            self.cpu_system_seconds,
            HumanCount(self.wake_ups)
        )?;
        self.lateness.show(f)?;
        if self.qdisc_drops > 0 {
            write!(
                f,
                "\n  {} packets dropped by the interface's fq (tc -s qdisc)",
                HumanCount(self.qdisc_drops)
            )?;
        }
        Ok(())
    }
}

impl Lateness {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.packets == 0 {
            return Ok(());
        }
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        write!(
            f,
            "\n  late {} of {} packets, worst {:.2} ms; {} underruns",
            HumanCount(self.late),
            HumanCount(self.packets),
            milliseconds(self.worst_ns),
            HumanCount(self.underruns)
        )?;
        if self.dropped > 0 {
            write!(f, "; {} packets left out", HumanCount(self.dropped))?;
        }
        if self.shifted_ns > 0 {
            write!(f, "; shifted by {:.0} ms", milliseconds(self.shifted_ns))?;
        }
        Ok(())
    }
}

/// What this process used.
struct Usage {
    user: f64,
    system: f64,
    wake_ups: u64,
}

fn usage() -> Usage {
    // SAFETY: `usage` is written whole by the call; any bits are valid before.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Usage {
        user: seconds(usage.ru_utime),
        system: seconds(usage.ru_stime),
        wake_ups: usage.ru_nvcsw.cast_unsigned(),
    }
}
