//! How fast a flow is, from two of its states.

use rtp_common::flow::FlowState;
use std::time::Duration;

/// Packets and payload bits per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Packets per second.
    pub packets: f64,
    /// Payload bits per second.
    pub bits: f64,
}

impl Rate {
    /// Between two states that were read `elapsed` apart. `None` if no time
    /// passed, or if a counter went back (the slot belongs to another flow now).
    #[expect(clippy::cast_precision_loss, reason = "counts are shown rounded")]
    pub fn between(before: &FlowState, after: &FlowState, elapsed: Duration) -> Option<Self> {
        let packets = ahead(before.packets, after.packets)?;
        let octets = ahead(before.octets, after.octets)?;
        let seconds = span(before, after, elapsed).as_secs_f64();
        (seconds > 0.0)
            .then(|| Self { packets: packets as f64 / seconds, bits: octets as f64 * 8.0 / seconds })
    }
}

/// The time that the packets between two states took. They come in batches:
/// from batch to batch is exact, while the readings may hold one batch more or
/// less. A flow that began or stood still meanwhile is measured by the readings.
fn span(before: &FlowState, after: &FlowState, elapsed: Duration) -> Duration {
    let departures = Duration::from_nanos(after.last_departure.saturating_sub(before.last_departure));
    if departures > elapsed / 2 && departures < elapsed * 3 / 2 { departures } else { elapsed }
}

/// How far a counter went, which may have wrapped on its way but never counts
/// half of its range.
fn ahead(before: u64, after: u64) -> Option<u64> {
    let distance = after.wrapping_sub(before);
    (distance <= u64::MAX / 2).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use rtp_common::flow::FlowState;
    use std::time::Duration;

    fn counters(packets: u64, octets: u64) -> FlowState {
        FlowState { packets, octets, ..FlowState::default() }
    }

    #[test]
    fn a_batch_more_or_less_changes_nothing() {
        let at = |packets, millis: u64| FlowState {
            last_departure: millis * 1_000_000,
            ..counters(packets, packets * 1000)
        };
        for (case, before, after, packets) in [
            ("five batches in 200 ms", at(70, 1_000), at(105, 1_185), 35.0 / 0.185),
            ("six", at(70, 1_000), at(112, 1_222), 42.0 / 0.222),
            ("the first batch", at(0, 0), at(7, 1_100), 35.0),
            ("then none any more", at(70, 1_000), at(77, 1_037), 35.0),
        ] {
            let rate = Rate::between(&before, &after, Duration::from_millis(200)).expect("time passed");
            assert!((rate.packets - packets).abs() < 1e-6, "{case}: {} packets/s", rate.packets);
        }
    }

    #[test]
    fn rates_come_from_two_readings() {
        let some = |packets, bits| Some(Rate { packets, bits });
        let half = Duration::from_millis(500);
        for (case, before, after, elapsed, expected) in [
            ("steady", (100, 131_600), (148, 194_768), half, some(96.0, 1_010_688.0)),
            ("still", (100, 131_600), (100, 131_600), half, some(0.0, 0.0)),
            ("from the start", (0, 0), (1, 188), half, some(2.0, 3_008.0)),
            ("a counter wraps", (u64::MAX, u64::MAX - 99), (4, 900), half, some(10.0, 16_000.0)),
            ("no time passed", (0, 0), (1, 188), Duration::ZERO, None),
            ("a counter went back", (100, 131_600), (99, 130_284), half, None),
        ] {
            let rate = Rate::between(&counters(before.0, before.1), &counters(after.0, after.1), elapsed);
            assert_eq!(rate, expected, "{case}");
        }
    }
}
