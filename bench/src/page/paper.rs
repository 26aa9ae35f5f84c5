//! The percentages that the paper's text gives, and what of today stands beside them.

use super::{
    figures::REFERENCE,
    model::{Results, Row},
};
use crate::stats::Spread;

/// A percentage, and what it compares.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Per cent.
    pub percent: u32,
    /// What it compares, as far as that is known.
    pub compares: &'static str,
    /// The same of today: how much less the one costs than the other.
    pub today: fn(&Results) -> Vec<Reduction>,
}

/// How much less one row costs than another.
#[derive(Clone, Debug)]
pub struct Reduction {
    /// Which costs less.
    pub of: String,
    /// Than which.
    pub against: String,
    /// By how much: 0.27 is 27 %.
    pub by: Option<Spread>,
}

/// What is not known is said, not guessed.
const UNKNOWN: &str = "Which two paths this compares cannot be told from what was at hand: the abstracts of the \
                       conference paper and of its journal version, and the names of the paper's Table 1. No figure \
                       of today is put beside it; the table of pairs below has every pair that it can mean.";

/// In the order in which we know of them.
pub const CLAIMS: [Claim; 6] = [
    Claim {
        percent: 27,
        compares: "CPU usage against the best of the existing paths: about 27 % less, by the abstract of the journal \
                   version (International Journal of Software Engineering and Knowledge Engineering 17(4), 2007), as \
                   far as it was at hand. That the two are krtpsendfile and rtp_sendfile is how we read it.",
        today: krtp,
    },
    Claim { percent: 10, compares: UNKNOWN, today: |_| Vec::new() },
    Claim { percent: 24, compares: UNKNOWN, today: |_| Vec::new() },
    Claim { percent: 36, compares: UNKNOWN, today: |_| Vec::new() },
    Claim { percent: 21, compares: UNKNOWN, today: |_| Vec::new() },
    Claim { percent: 29, compares: UNKNOWN, today: |_| Vec::new() },
];

/// Against the paper's best, and against what is the best of the existing ones today.
fn krtp(results: &Results) -> Vec<Reduction> {
    let Some(krtp) = results.krtp() else { return Vec::new() };
    let best = results.best_existing().map(|row| row.key.as_str()).filter(|key| *key != REFERENCE);
    [Some(REFERENCE), best].into_iter().flatten().map(|other| reduction(results, &krtp.key, other)).collect()
}

/// How much less `key` costs than `other`, at the usual payload, round by round.
pub fn reduction(results: &Results, key: &str, other: &str) -> Reduction {
    let ratio = results.usual().and_then(|usual| usual.ratio(key, other));
    let by = ratio.map(|ratio| Spread {
        median: 1.0 - ratio.median,
        low: 1.0 - ratio.high,
        high: 1.0 - ratio.low,
    });
    Reduction { of: key.to_owned(), against: other.to_owned(), by }
}

/// The rows of the paper that send RTP: pairs are made of them.
pub fn streaming(results: &Results) -> (Vec<&Row>, Vec<&Row>) {
    use super::model::Group::{Enhanced, Existing};
    (results.group(Existing).collect(), results.group(Enhanced).collect())
}

#[cfg(test)]
mod tests {
    use super::{CLAIMS, krtp, reduction};
    use crate::page::sample;

    #[test]
    fn a_reduction_is_what_the_ratio_leaves() {
        let results = sample::results();
        let by = reduction(&results, "krtpsendfile", "rtp_sendfile").by.expect("both were measured");
        assert!((by.median - (1.0 - 850.0 / 4_300.0)).abs() < 1e-9, "{by:?}");
        assert!(by.low <= by.median && by.median <= by.high);
        assert!(reduction(&results, "krtpsendfile", "nobody").by.is_none());
        let against: Vec<_> = krtp(&results).into_iter().map(|reduction| reduction.against).collect();
        assert_eq!(against, ["rtp_sendfile", "mmap_writev"]);
    }

    #[test]
    fn what_is_not_known_has_no_figure() {
        let results = sample::results();
        for claim in CLAIMS {
            assert_eq!((claim.today)(&results).is_empty(), claim.percent != 27, "{} %", claim.percent);
        }
    }
}
