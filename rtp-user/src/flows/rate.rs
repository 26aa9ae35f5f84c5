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
    /// Between two states that lie `elapsed` apart. `None` if no time passed,
    /// or if a counter went back (the slot belongs to another flow now).
    pub fn between(before: &FlowState, after: &FlowState, elapsed: Duration) -> Option<Self> {
        let seconds = elapsed.as_secs_f64();
        let packets = ahead(before.packets, after.packets)?;
        let octets = ahead(before.octets, after.octets)?;
        (seconds > 0.0)
            .then(|| Self { packets: packets as f64 / seconds, bits: octets as f64 * 8.0 / seconds })
    }
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
