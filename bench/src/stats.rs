//! Many samples in three numbers.

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
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self { median, min, max }
    }
}

/// Each sample of `ours` by the sample of `theirs` of the same round. The
/// machine's mood changes from round to round and falls out of the ratio.
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    assert_eq!(ours.len(), theirs.len(), "every row runs in every round");
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::{Summary, ratios};

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
    fn ratios_are_taken_within_a_round() {
        // The machine is three times as slow in the second round.
        assert_eq!(ratios(&[1.0, 3.0], &[4.0, 12.0]), [0.25, 0.25]);
    }
}
