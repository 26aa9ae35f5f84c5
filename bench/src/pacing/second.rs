//! The second receiver's opinion: `krtp watch` on the interface that the first one's socket gets its packets from.

use super::{delivery, receiver::Received};
use anyhow::{Context, ensure};
use serde_json::Value;

/// What it saw of a row. It knows a packet's due time by its RTP timestamp alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Second {
    /// Packets that came.
    pub packets: u64,
    /// Sequence numbers that did not.
    pub lost: u64,
    /// The most packets in a row that came closer to each other than half of what their timestamps are apart.
    pub longest_burst: u64,
    /// 99 of 100 gaps are off by no more from those of the timestamps, nanoseconds.
    pub error_p99: u64,
    /// Jitter at the end (RFC 3550 §6.4.1), nanoseconds.
    pub jitter: f64,
}

impl Second {
    /// From the report of `krtp watch --json`.
    pub fn read(report: &Value) -> anyhow::Result<Self> {
        let streams = report["streams"].as_array().context("krtp watch reports no streams")?;
        ensure!(streams.len() == 1, "krtp watch saw {} streams", streams.len());
        let stream = &streams[0];
        let number = |value: &Value| value.as_u64().context("krtp watch reports no number");
        Ok(Self {
            packets: number(&stream["packets"])?,
            lost: number(&stream["lost"])?,
            longest_burst: number(&stream["longest_burst"])?,
            error_p99: number(&stream["interarrival_error"]["p99_ns"])?,
            jitter: stream["jitter_ns"].as_f64().context("krtp watch reports no jitter")?,
        })
    }

    /// Whether both received the same.
    pub fn agrees(&self, first: &Received) -> anyhow::Result<()> {
        let (packets, lost) = (first.packets.len() as u64, delivery::lost(first) as u64);
        ensure!(
            (self.packets, self.lost) == (packets, lost),
            "the receivers disagree: {packets} packets came and {lost} were lost by the socket, {} and {} by krtp watch",
            self.packets,
            self.lost
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Second;
    use crate::pacing::receiver::{Arrival, Received};
    use serde_json::json;

    fn arrival(sequence: u16) -> Arrival {
        Arrival { came: 0, sequence, payload: Vec::new() }
    }

    #[test]
    fn a_report_is_read_and_compared() {
        let stream = json!({
            "packets": 3, "lost": 1, "longest_burst": 2, "jitter_ns": 1.5, "interarrival_error": {"p99_ns": 70},
        });
        let second = Second::read(&json!({"streams": [stream]})).unwrap();
        assert_eq!(second, Second { packets: 3, lost: 1, longest_burst: 2, error_p99: 70, jitter: 1.5 });
        for (sequence, agrees) in [(&[7, 8, 10][..], true), (&[7, 8, 9], false), (&[7, 8, 9, 11], false)] {
            let packets = sequence.iter().copied().map(arrival).collect();
            let first = Received { packets, strange: 0 };
            assert_eq!(second.agrees(&first).is_ok(), agrees, "{sequence:?}");
        }
        for (streams, why) in
            [(json!([]), "0 streams"), (json!([{}, {}]), "2 streams"), (json!([{}]), "no number")]
        {
            let error = Second::read(&json!({"streams": streams})).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
