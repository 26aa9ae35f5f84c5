//! What a receiver's clock and the media's say of each other. Pure: arrivals and due times in, figures out.

/// When a packet came and when its first octet was due, nanoseconds, each from an origin of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packet {
    /// By the receiving kernel.
    pub came: u64,
    /// By the media's clock.
    pub due: f64,
}

/// How well packets kept their time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Inter-arrival error, nanoseconds: how far a gap between two packets is from the gap between their due times.
    pub error_p50: f64,
    /// 99 of 100 gaps are off by no more.
    pub error_p99: f64,
    /// The worst gap.
    pub error_max: f64,
    /// The most packets in a row that came closer to each other than half their due spacing; 1: none did.
    pub longest_burst: usize,
    /// How much faster than the media the stream ran, millionths: by the straight line that is nearest to all packets
    /// (least squares), which one late packet at an end does not tilt.
    pub rate_ppm: f64,
    /// The same by the first packet and the last alone.
    pub ends_ppm: f64,
    /// The share of packets within 10 ms of their due time, if the packet in the middle of all was in time.
    pub within_10_ms: f64,
}

/// What a packet may be away from its time.
const NEAR: f64 = 10e6;

impl Figures {
    /// Of packets in the order of their arrival; `None` of fewer than three.
    pub fn of(packets: &[Packet]) -> Option<Self> {
        if packets.len() < 3 {
            return None;
        }
        let (first, last) = (packets[0], packets[packets.len() - 1]);
        let gaps: Vec<(f64, f64)> = packets
            .windows(2)
            .map(|pair| (since(pair[1].came, pair[0].came), pair[1].due - pair[0].due))
            .collect();
        let errors = sorted(gaps.iter().map(|(came, due)| (came - due).abs()));
        let late = sorted(packets.iter().map(|packet| since(packet.came, first.came) - packet.due));
        let middle = quantile(&late, 0.5);
        let near = late.iter().filter(|late| (*late - middle).abs() <= NEAR).count();
        Some(Self {
            error_p50: quantile(&errors, 0.5),
            error_p99: quantile(&errors, 0.99),
            error_max: errors[errors.len() - 1],
            longest_burst: bursts(packets).map(<[_]>::len).max()?,
            rate_ppm: (1.0 / slope(packets) - 1.0) * 1e6,
            ends_ppm: ((last.due - first.due) / since(last.came, first.came) - 1.0) * 1e6,
            within_10_ms: near as f64 / late.len() as f64,
        })
    }
}

/// Subtracted before it becomes a float, which could not tell one microsecond of our century from the next.
fn since(later: u64, earlier: u64) -> f64 {
    later.cast_signed().wrapping_sub(earlier.cast_signed()) as f64
}

/// Nanoseconds of the receiver's clock per nanosecond of the media's.
fn slope(packets: &[Packet]) -> f64 {
    let points = || packets.iter().map(|packet| (packet.due, since(packet.came, packets[0].came)));
    let count = packets.len() as f64;
    let (due, came) = points().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (due, came) = (due / count, came / count);
    let (both, square) = points().fold((0.0, 0.0), |sum, point| {
        (sum.0 + (point.0 - due) * (point.1 - came), sum.1 + (point.0 - due).powi(2))
    });
    both / square
}

/// All packets, parted where two did not come closer to each other than half their due spacing.
pub fn bursts(packets: &[Packet]) -> impl Iterator<Item = &[Packet]> {
    packets.chunk_by(|one, next| since(next.came, one.came) < (next.due - one.due) / 2.0)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The smallest value that `part` of all do not exceed.
#[expect(clippy::cast_sign_loss, reason = "parts are not negative")]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::{Figures, Packet};

    /// Packets that are due each millisecond, and come when `came` says, microseconds.
    fn figures(came: &[u64]) -> Figures {
        let packet = |(number, came): (u32, &u64)| Packet { came: came * 1000, due: f64::from(number) * 1e6 };
        Figures::of(&(0..).zip(came).map(packet).collect::<Vec<_>>()).expect("enough packets")
    }

    fn about(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-3, "{value} is not {expected}");
    }

    #[test]
    fn packets_in_time_have_no_error() {
        let figures = figures(&[5000, 6000, 7000, 8000]);
        let expected = Figures {
            error_p50: 0.0,
            error_p99: 0.0,
            error_max: 0.0,
            longest_burst: 1,
            rate_ppm: 0.0,
            ends_ppm: 0.0,
            within_10_ms: 1.0,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn a_late_packet_makes_two_gaps_wrong() {
        let figures = figures(&[0, 1000, 2300, 3000, 4000]);
        about(figures.error_p50, 0.0);
        about(figures.error_max, 300e3);
        assert_eq!(figures.longest_burst, 1, "700 us are more than half of 1 ms");
    }

    #[test]
    fn seven_at_once_are_a_burst_of_seven() {
        let came: Vec<u64> = (0..21).map(|number| number / 7 * 7000 + number % 7).collect();
        let figures = figures(&came);
        assert_eq!(figures.longest_burst, 7);
        about(figures.error_p50, 999e3);
        about(figures.error_max, 5_994e3);
    }

    #[test]
    fn a_stream_that_takes_longer_is_slower() {
        let came: Vec<u64> = (0..=1000).map(|number| number * 1001).collect();
        let figures = figures(&came);
        about(figures.rate_ppm, (1.0 / 1.001 - 1.0) * 1e6);
        about(figures.ends_ppm, (1.0 / 1.001 - 1.0) * 1e6);
    }

    #[test]
    fn a_late_last_packet_hardly_tilts_the_rate() {
        let mut came: Vec<u64> = (0..=1000).map(|number| number * 1000).collect();
        came[1000] += 1000;
        let figures = figures(&came);
        about(figures.ends_ppm, (1000.0 / 1001.0 - 1.0) * 1e6);
        assert!(figures.rate_ppm.abs() < 10.0, "{figures:?}");
    }

    #[test]
    fn nearness_is_to_the_packet_in_the_middle() {
        let mut came: Vec<u64> = (0..100).map(|number| number * 1000).collect();
        for late in &mut came[90..] {
            *late += 11_000;
        }
        about(figures(&came).within_10_ms, 0.9);
    }

    #[test]
    fn two_packets_say_nothing() {
        assert_eq!(Figures::of(&[Packet { came: 0, due: 0.0 }; 2]), None);
    }
}
