//! Figures from samples: all arithmetic of the page.

use super::model::{Group, Results, Row, Sample, Series};
use crate::{
    rows::APART,
    stats::{Spread, ratios},
};
use std::collections::BTreeMap;

/// The row that all others are compared with: the paper's best by existing calls.
pub const REFERENCE: &str = "rtp_sendfile";
/// Seven transport packets: the payload of the tables.
pub const USUAL: u32 = 7 * 188;
/// Two runs that differ by more make a row noisy.
const AGREE: f64 = 0.15;

impl Sample {
    /// User and system.
    pub fn cpu(self) -> f64 {
        self.user_ns + self.system_ns
    }
}

impl Series {
    fn of(&self, key: &str, part: impl Fn(Sample) -> f64) -> Vec<f64> {
        self.samples.get(key).into_iter().flatten().copied().map(part).collect()
    }

    /// Nanoseconds for each packet.
    pub fn nanos(&self, key: &str) -> Option<Spread> {
        Spread::of(self.of(key, Sample::cpu))
    }

    /// The same apart: medians of user and of system.
    pub fn user_and_system(&self, key: &str) -> Option<(f64, f64)> {
        let median = |part: fn(Sample) -> f64| Spread::of(self.of(key, part)).map(|spread| spread.median);
        median(|sample| sample.user_ns).zip(median(|sample| sample.system_ns))
    }

    /// `key` by `other`, round by round. None if either was not measured in every round, or is not to be ranked.
    pub fn ratio(&self, key: &str, other: &str) -> Option<Spread> {
        if [key, other].iter().any(|key| APART.contains(key)) {
            return None;
        }
        let [ours, theirs] = [key, other].map(|key| self.of(key, Sample::cpu));
        if ours.len() != theirs.len() || theirs.contains(&0.0) {
            return None;
        }
        Spread::of(ratios(&ours, &theirs))
    }

    /// What is measured here, in few words.
    pub fn title(&self) -> String {
        format!("{} at {} octets", self.name, thousands(f64::from(self.payload)))
    }
}

impl Results {
    /// The series of the paper's figures, from the smallest payload to the largest.
    pub fn sizes(&self) -> Vec<&Series> {
        let mut sizes: Vec<_> = self.series.iter().filter(|series| series.name == "sizes").collect();
        sizes.sort_by_key(|series| series.payload);
        sizes
    }

    /// The one of them that tables are made of.
    pub fn usual(&self) -> Option<&Series> {
        let sizes = self.sizes();
        let usual = sizes.iter().find(|series| series.payload == USUAL);
        usual.or(sizes.last()).copied()
    }

    /// Where a row stands in order of payload: `(octets, CPU seconds for 1 GB)`.
    pub fn curve(&self, key: &str) -> Vec<(f64, Spread)> {
        let point = |series: &&Series| {
            Some((f64::from(series.payload), per_gigabyte(series.nanos(key)?, series.payload)))
        };
        self.sizes().iter().filter_map(point).collect()
    }

    /// Rows of a group.
    pub fn group(&self, group: Group) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.group == group)
    }

    /// The one by existing calls that costs least.
    pub fn best_existing(&self) -> Option<&Row> {
        let usual = self.usual()?;
        let nanos = |row: &Row| usual.nanos(&row.key).map(|nanos| nanos.median);
        let measured = self.group(Group::Existing).filter_map(|row| Some((nanos(row)?, row)));
        measured.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, row)| row)
    }

    /// krtp's kernel engine, under the paper's name or its own.
    pub fn krtp(&self) -> Option<&Row> {
        let named = |key: &str| self.rows.iter().find(|row| row.key == key);
        named("krtpsendfile").or_else(|| named("krtp"))
    }
}

/// Where two runs disagree most about a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// In which series.
    pub at: String,
    /// The ratio to the reference before, and now.
    pub ratios: (f64, f64),
}

/// Rows whose ratio to the reference differs between this run and the one before it. None if there is no run to
/// compare with.
pub fn noise(results: &Results) -> Option<BTreeMap<&str, Disagreement>> {
    let before = results.before.as_ref()?;
    let mut noisy: BTreeMap<&str, Disagreement> = BTreeMap::new();
    for now in &results.series {
        let same = |then: &&Series| {
            (&then.name, &then.device, then.payload) == (&now.name, &now.device, now.payload)
        };
        let Some(then) = before.series.iter().find(same) else { continue };
        for key in now.samples.keys() {
            let ratio = |series: &Series| series.ratio(key, REFERENCE).map(|ratio| ratio.median);
            let Some(ratios) = ratio(then).zip(ratio(now)) else { continue };
            let worst = noisy.get(key.as_str()).map_or(AGREE, |noisy| apart(noisy.ratios));
            if apart(ratios) > worst {
                noisy.insert(key, Disagreement { at: now.title(), ratios });
            }
        }
    }
    Some(noisy)
}

/// How far two ratios are apart: 0.15 is fifteen per cent, whichever is the larger.
fn apart((one, other): (f64, f64)) -> f64 {
    (one / other).max(other / one) - 1.0
}

/// CPU seconds for 1 GB of payload, of nanoseconds for each packet: the paper's measure.
pub fn per_gigabyte(nanos: Spread, payload: u32) -> Spread {
    // Nanoseconds an octet are seconds a thousand million octets.
    let per = |nanos: f64| nanos / f64::from(payload);
    Spread { median: per(nanos.median), low: per(nanos.low), high: per(nanos.high) }
}

/// Gigabits of payload that one processor sends in a second.
pub fn gigabits(nanos: f64, payload: u32) -> f64 {
    f64::from(payload) * 8.0 / nanos
}

/// How many octets a copy has to have to take as long as a call, on the straight line between the sizes around it.
pub fn crossing(copies: &[(f64, f64)], call: f64) -> Option<f64> {
    let between = copies.windows(2).find(|pair| pair[0].1 <= call && call <= pair[1].1)?;
    let [(from, begin), (to, end)] = [between[0], between[1]];
    if end <= begin { Some(from) } else { Some(from + (to - from) * (call - begin) / (end - begin)) }
}

/// With separators, no decimals.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("−", digits));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three figures, as many decimals as that takes.
pub fn three(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        large if large >= 100.0 => thousands(number),
        large if large >= 10.0 => format!("{number:.1}"),
        large if large >= 1.0 => format!("{number:.2}"),
        large if large >= 0.01 => format!("{number:.3}"),
        _ => format!("{number:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{crossing, noise, thousands, three};
    use crate::page::sample;

    #[test]
    fn numbers_for_people() {
        for (number, expected) in
            [(0.0, "0"), (999.4, "999"), (1_234.5, "1,234"), (-1_000_000.0, "−1,000,000")]
        {
            assert_eq!(thousands(number), expected);
        }
        for (number, expected) in
            [(0.0, "0"), (1_234.0, "1,234"), (23.45, "23.4"), (2.345, "2.35"), (0.0451, "0.045")]
        {
            assert_eq!(three(number), expected);
        }
    }

    #[test]
    fn a_call_is_worth_a_copy_of_some_size() {
        let copies = [(100.0, 10.0), (1_000.0, 40.0), (2_000.0, 140.0)];
        assert_eq!(crossing(&copies, 90.0), Some(1_500.0));
        assert_eq!(crossing(&copies, 5.0), None);
        assert_eq!(crossing(&copies, 500.0), None);
        assert_eq!(crossing(&[], 5.0), None);
    }

    #[test]
    fn figures_are_made_of_the_round_s_samples() {
        let results = sample::results();
        let usual = results.usual().expect("a series at 1,316 octets");
        assert_eq!(usual.payload, 1_316);
        // Each round of the sample is slower than the one before it, for all rows alike.
        let ratio = usual.ratio("read_writev", "rtp_sendfile").expect("both are there");
        assert!((ratio.median - 0.8).abs() < 1e-9 && (ratio.high - ratio.low).abs() < 1e-9, "{ratio:?}");
        assert!(usual.nanos("rtp_sendfile").expect("samples").high > 4_000.0);
        assert_eq!(usual.ratio("no such row", "rtp_sendfile"), None);
        let (user, system) = usual.user_and_system("rtp_sendfile").expect("samples");
        assert!(user < system);
        assert_eq!(results.best_existing().map(|row| row.key.as_str()), Some("mmap_writev"));
        assert_eq!(results.krtp().map(|row| row.key.as_str()), Some("krtpsendfile"));
    }

    #[test]
    fn points_that_were_left_out_are_not_in_the_curve() {
        let results = sample::results();
        let (all, some) = (results.curve("rtp_sendfile"), results.curve("user_gso"));
        assert_eq!((all.len(), some.len()), (3, 2));
        assert_eq!(some.last().map(|(octets, _)| *octets), Some(1_316.0));
        let (octets, seconds) = all[1];
        let nanos = results.usual().and_then(|usual| usual.nanos("rtp_sendfile")).expect("samples");
        assert!((seconds.median - nanos.median / octets).abs() < 1e-9);
    }

    #[test]
    fn rows_that_differ_from_run_to_run_are_noisy() {
        let mut results = sample::results();
        assert_eq!(noise(&results), None);
        results.before = Some(Box::new(sample::results()));
        assert!(noise(&results).expect("a run before").is_empty());
        let samples = results.series[1].samples.get_mut("sendmmsg").expect("a row");
        for sample in samples {
            sample.system_ns *= 1.3;
        }
        let noisy = noise(&results).expect("a run before");
        assert_eq!(noisy.keys().collect::<Vec<_>>(), [&"sendmmsg"]);
        assert_eq!(noisy["sendmmsg"].at, "sizes at 1,316 octets");
    }
}
