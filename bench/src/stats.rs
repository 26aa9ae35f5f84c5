//! Many samples in three numbers.

use serde::Serialize;

/// Median and range of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Median; of an even number of samples the mean of the middle two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of at least one sample.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            panic!("a summary of no samples");
        };
        Self { median: percentile(&sorted, 0.5), min, max }
    }
}

/// Median of some samples, and the range that four fifths of them keep to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// 10th percentile.
    pub low: f64,
    /// 90th percentile.
    pub high: f64,
}

impl Spread {
    /// None of no samples.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share| percentile(&sorted, share);
        (!sorted.is_empty()).then(|| Self { median: at(0.5), low: at(0.1), high: at(0.9) })
    }
}

/// Of sorted samples, at least one: the value that `share` of them are below, on the straight line between the two
/// samples that are nearest to that place.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_sign_loss, reason = "a share is not negative")]
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// Each sample of `ours` by the sample of `theirs` of the same round. The
/// machine's mood changes from round to round and falls out of the ratio.
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    assert_eq!(ours.len(), theirs.len(), "every row runs in every round");
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::{Spread, Summary, ratios};

    #[test]
    fn a_summary_has_the_middle_and_the_ends() {
        for (samples, median, min, max) in [
            (&[3.0][..], 3.0, 3.0, 3.0),
            (&[4.0, 2.0], 3.0, 2.0, 4.0),
            (&[9.0, 1.0, 5.0], 5.0, 1.0, 9.0),
            (&[1.0, 100.0, 2.0, 3.0], 2.5, 1.0, 100.0),
            (&[-2.0, 5.0, -7.0], -2.0, -7.0, 5.0),
        ] {
            let summary = Summary::of(samples.iter().copied());
            assert_eq!(summary, Summary { median, min, max }, "{samples:?}");
        }
    }

    #[test]
    fn an_outlier_moves_the_range_not_the_median() {
        let quiet = Summary::of([10.0, 11.0, 12.0]);
        let noisy = Summary::of([10.0, 11.0, 12_000.0]);
        assert!((quiet.median - noisy.median).abs() < f64::EPSILON);
        assert!((noisy.max - 12_000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_spread_leaves_out_the_tenths_at_the_ends() {
        for (samples, median, low, high) in [
            (&[3.0][..], 3.0, 3.0, 3.0),
            (&[10.0, 20.0], 15.0, 11.0, 19.0),
            (&[0.0, 100.0, 30.0, 20.0, 10.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0], 50.0, 10.0, 90.0),
        ] {
            let spread = Spread::of(samples.iter().copied()).expect("samples");
            for (is, expected) in [(spread.median, median), (spread.low, low), (spread.high, high)] {
                assert!((is - expected).abs() < 1e-9, "{samples:?}: {spread:?}");
            }
        }
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine is three times as slow in the second round.
        assert_eq!(ratios(&[1.0, 3.0], &[4.0, 12.0]), [0.25, 0.25]);
    }
}
