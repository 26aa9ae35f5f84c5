//! What a stream reports at its end.

use super::{
    Options,
    play::Outcome,
    setup::{Facts, FlowFacts},
};
use crate::{
    engine::{Checksum, SendError, Totals},
    pace::Lateness,
};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use std::fmt;

/// The end of a stream: one JSON object, or two lines for people.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Where to.
    pub destinations: Vec<String>,
    /// "kernel" or "user".
    pub engine: &'static str,
    /// The interface of the first flow.
    pub interface: String,
    /// What the kernel engine uses there, or why it is not used.
    pub path: String,
    /// "end", "stopped" or "failed".
    pub ended: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// Packets of all flows.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// `sendfile` calls (kernel engine).
    pub sendfile_calls: u64,
    /// `sendmsg` calls (user engine).
    pub sendmsg_calls: u64,
    /// From the first batch to after the last.
    pub seconds: f64,
    /// CPU of this process in user space, since its start.
    pub cpu_user_seconds: f64,
    /// CPU of this process in the kernel, since its start.
    pub cpu_system_seconds: f64,
    /// How late batches left.
    pub lateness: Lateness,
    /// The first flow, at the top level for the common case of one.
    #[serde(flatten)]
    pub first: FlowReport,
    /// Every flow.
    pub flows: Vec<FlowReport>,
    #[serde(skip)]
    failure: Option<SendErrorText>,
}

/// One flow's part.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
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
}

type SendErrorText = String;

impl Report {
    pub(super) fn new(options: &Options, facts: &Facts, outcome: &Outcome) -> Self {
        let flows: Vec<FlowReport> = facts
            .flows
            .iter()
            .zip(&outcome.totals)
            .map(|(facts, totals)| FlowReport::new(facts, totals))
            .collect();
        let sum = |of: fn(&Totals) -> u64| outcome.totals.iter().map(of).sum::<u64>();
        let usage = cpu();
        let calls = sum(|totals| totals.calls);
        let kernel = facts.engine == "kernel";
        let failure = outcome.error.as_ref().map(|error| failed(options, error));
        Self {
            file: options.file.display().to_string(),
            destinations: options.to.iter().map(ToString::to_string).collect(),
            engine: facts.engine,
            interface: flows[0].interface.clone(),
            path: facts.path.clone(),
            ended: match (&outcome.error, outcome.stopped) {
                (Some(_), _) => "failed",
                (None, true) => "stopped",
                (None, false) => "end",
            },
            error: failure.clone(),
            packets: sum(|totals| totals.packets),
            octets: sum(|totals| totals.octets),
            sendfile_calls: if kernel { calls } else { 0 },
            sendmsg_calls: if kernel { 0 } else { calls },
            seconds: outcome.elapsed.as_secs_f64(),
            cpu_user_seconds: usage.0,
            cpu_system_seconds: usage.1,
            lateness: outcome.lateness,
            first: flows[0].clone(),
            flows,
            failure,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

/// Errors of the network name flow and interface themselves; all name the file.
fn failed(options: &Options, error: &SendError) -> String {
    match error {
        SendError::File(error) => error.to_string(),
        other => format!("{}: {other}", options.file.display()),
    }
}

impl FlowReport {
    fn new(facts: &FlowFacts, totals: &Totals) -> Self {
        let sent = totals.packets > 0;
        Self {
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
        }
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
        writeln!(
            f,
            "{verb} {} packets, {} in {:.2} s ({:.2} Mb/s), {} system calls",
            HumanCount(self.packets),
            HumanBytes(self.octets),
            self.seconds,
            self.octets as f64 * 8.0 / self.seconds.max(1e-9) / 1e6,
            HumanCount(calls),
        )?;
        for flow in &self.flows {
            writeln!(
                f,
                "  {}: ssrc 0x{:08x}, sequence {} to {},\n    timestamp {} to {}",
                flow.destination,
                flow.ssrc,
                flow.first_sequence,
                flow.last_sequence.map_or_else(|| "-".into(), |number| number.to_string()),
                flow.first_timestamp,
                flow.last_timestamp.map_or_else(|| "-".into(), |number| number.to_string()),
            )?;
        }
        write!(f, "  cpu {:.3} s user, {:.3} s system", self.cpu_user_seconds, self.cpu_system_seconds)?;
        if self.lateness.batches > 0 {
            write!(
                f,
                "; late {} of {} batches, worst {:.2} ms",
                self.lateness.late,
                self.lateness.batches,
                self.lateness.worst_ns as f64 / 1e6
            )?;
        }
        Ok(())
    }
}

/// CPU seconds of this process: user, system.
fn cpu() -> (f64, f64) {
    // SAFETY: `usage` is written whole by the call; any bits are valid before.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}
