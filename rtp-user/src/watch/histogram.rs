//! What a histogram says.

use rtp_common::watch::histogram::{LATENESS, SPANS, lateness_bounds, lateness_index, span_bounds};
use serde::Serialize;

/// Quantiles of a histogram of spans, nanoseconds. Each is the middle of its
/// bucket, at most 3 % from the span itself; the maximum is exact.
#[expect(clippy::struct_field_names, reason = "figures in JSON name their unit")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spans {
    /// Half of the spans are no longer.
    pub p50_ns: u64,
    /// Nine of ten.
    pub p90_ns: u64,
    /// 99 of 100.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// Counts by bucket, of one stream or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    counts: Vec<u64>,
    total: u64,
}

impl Counts {
    /// None yet, in `buckets` buckets.
    pub fn new(buckets: usize) -> Self {
        Self { counts: vec![0; buckets], total: 0 }
    }

    /// The counts of one stream.
    pub fn of(counts: &[u32]) -> Self {
        let counts: Vec<u64> = counts.iter().copied().map(u64::from).collect();
        let total = counts.iter().sum();
        Self { counts, total }
    }

    /// Adds another's, moved by `shift` buckets; the outermost take what would leave.
    pub fn add(&mut self, other: &Self, shift: i64) {
        let last = i64::from(self.counts.len() as u32) - 1;
        for (index, count) in (0i64..).zip(&other.counts) {
            self.counts[(index + shift).clamp(0, last).unsigned_abs() as usize] += count;
        }
        self.total += other.total;
    }

    /// The bucket of the nearest-rank quantile `part` (0 to 1); none of nothing.
    fn bucket(&self, part: f64) -> Option<usize> {
        let rank = (self.total as f64 * part).ceil().max(1.0);
        let mut seen = 0;
        self.counts.iter().position(|count| {
            seen += count;
            *count != 0 && seen as f64 >= rank
        })
    }

    /// Of buckets of spans, the longest of which was `max` nanoseconds.
    pub fn spans(&self, max: u64) -> Option<Spans> {
        assert_eq!(self.counts.len(), SPANS, "a histogram of spans");
        let at = |part| {
            let (low, high) = span_bounds(self.bucket(part)?);
            Some(low.midpoint(high - 1).min(max))
        };
        Some(Spans { p50_ns: at(0.5)?, p90_ns: at(0.9)?, p99_ns: at(0.99)?, max_ns: max })
    }

    /// The middle of the bucket of a quantile of lateness, nanoseconds.
    pub fn lateness(&self, part: f64) -> Option<i64> {
        self.bucket(part).map(middle)
    }

    /// How many buckets the median of lateness lies from zero.
    pub fn median_shift(&self) -> i64 {
        let zero = i64::from(lateness_index(0) as u32);
        self.bucket(0.5).map_or(0, |median| i64::from(median as u32) - zero)
    }

    /// The share (0 to 1) of lateness within `nanos` of `centre`. A bucket that lies
    /// half within counts half.
    pub fn share_within(&self, centre: i64, nanos: i64) -> f64 {
        assert_eq!(self.counts.len(), LATENESS, "a histogram of lateness");
        let (low, high) = (centre - nanos, centre + nanos);
        let inside = |index: usize| {
            let (from, to) = lateness_bounds(index);
            if from == i64::MIN || to == i64::MAX {
                return 0.0;
            }
            (to.min(high) - from.max(low)).max(0) as f64 / (to - from) as f64
        };
        let within: f64 = (0..).zip(&self.counts).map(|(index, count)| *count as f64 * inside(index)).sum();
        within / self.total.max(1) as f64
    }
}

/// The middle of a bucket of lateness.
fn middle(index: usize) -> i64 {
    let (low, high) = lateness_bounds(index);
    match (low, high) {
        (i64::MIN, edge) | (edge, i64::MAX) => edge,
        (low, high) => low.midpoint(high),
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;
    use proptest::prelude::*;
    use rtp_common::watch::histogram::{LATENESS, SPANS, count, lateness_index, span_index};

    fn spans(values: &[u64]) -> Counts {
        let mut counts = [0; SPANS];
        for value in values {
            count(&mut counts[span_index(*value)]);
        }
        Counts::of(&counts)
    }

    fn lateness(values: &[i64]) -> Counts {
        let mut counts = [0; LATENESS];
        for value in values {
            count(&mut counts[lateness_index(*value)]);
        }
        Counts::of(&counts)
    }

    proptest! {
        #[test]
        fn quantiles_are_near_those_of_the_sorted_values(
            mut values in prop::collection::vec(10u64..10_000_000_000, 1..300),
        ) {
            let spans = spans(&values).spans(*values.iter().max().expect("one")).expect("some");
            values.sort_unstable();
            for (name, part, said) in [("p50", 50, spans.p50_ns), ("p90", 90, spans.p90_ns), ("p99", 99, spans.p99_ns)] {
                let exact = values[(values.len() * part).div_ceil(100) - 1];
                let error = said as f64 / exact as f64 - 1.0;
                prop_assert!(error.abs() < 0.05, "{name} of {values:?}: {said}, not {exact}");
            }
            prop_assert_eq!(spans.max_ns, values[values.len() - 1]);
        }

        #[test]
        fn shares_are_near_those_counted_one_by_one(
            values in prop::collection::vec(-40_000_000i64..40_000_000, 1..200),
            centre in -20_000_000i64..20_000_000,
        ) {
            let counts = lateness(&values);
            for millis in [1, 5, 20] {
                let within = |nanos: i64| {
                    let inside = values.iter().filter(|value| (**value - centre).abs() <= nanos);
                    inside.count() as f64 / values.len() as f64
                };
                let share = counts.share_within(centre, millis * 1_000_000);
                let (low, high) = (within(millis * 1_000_000 - 524_288), within(millis * 1_000_000 + 524_288));
                prop_assert!(low - 1e-9 <= share && share <= high + 1e-9, "{low} {share} {high}");
            }
        }
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(spans(&[]).spans(0), None);
        assert_eq!(lateness(&[]).lateness(0.5), None);
        assert!(lateness(&[]).share_within(0, 1_000_000).abs() < 1e-9);
    }

    #[test]
    fn streams_are_added_each_around_its_own_median() {
        let early: Vec<i64> = (0..100).map(|_| -500_000_000).collect();
        let late: Vec<i64> = (0..100).map(|_| 300_000_000).collect();
        let mut all = Counts::new(LATENESS);
        for counts in [lateness(&early), lateness(&late)] {
            all.add(&counts, -counts.median_shift());
        }
        assert!((all.share_within(0, 1_000_000) - 1.0).abs() < 1e-9);
        assert_eq!(all.median_shift(), 0);
    }

    #[test]
    fn what_lies_beyond_the_buckets_is_within_nothing() {
        let counts = lateness(&[0, 0, 0, 5_000_000_000]);
        assert!((counts.share_within(0, 20_000_000) - 0.75).abs() < 1e-9);
        assert_eq!(counts.lateness(0.99), Some(2047 << 19));
    }
}
