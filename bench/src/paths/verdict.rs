//! Whether what was seen of a row's copies is what the row claims.
//!
//! A copy that is claimed is there if the routines at its place run for half as long at least as a plain `memcpy` of
//! the payload from cached memory: no copy is cheaper. One that is not claimed is harder to exclude, since every row
//! copies some octets that are no payload (headers, addresses). But those it copies alike at every size. So what counts
//! is how much more of a packet such routines take than at the smallest size, beside what as many octets more take
//! in a plain copy: from memory that no cache holds where the row claims no copy at all, since one would then be the
//! first to touch the payload; else from cached memory.

use super::copies::Profile;
use crate::rows::{Notices, Place};

/// Samples below which nothing is judged.
const ENOUGH: u32 = 1_000;
/// Places that a payload can be copied at.
const PLACES: [Place; 4] = [Place::Read, Place::User, Place::Send, Place::Stack];

/// What is known of a row at one size.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What perf saw.
    pub profile: &'a Profile,
    /// CPU time of a packet where nobody watched, nanoseconds.
    pub ns: f64,
    /// A copy of its payload by itself.
    pub memcpy: Memcpy,
}

/// A plain copy, nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memcpy {
    /// From memory that no cache of the CPU holds.
    pub cold: f64,
    /// From memory that was just copied.
    pub warm: f64,
}

/// One place that a payload can be copied at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Copying {
    pub place: Place,
    /// Whether the row says so.
    pub claimed: bool,
    /// What its samples take of a packet, nanoseconds; where no copy is claimed, more than at the smallest size.
    pub ns: f64,
    /// Two standard deviations of that.
    pub error: f64,
    /// Whether payload is copied there, as far as that can be told.
    pub seen: Option<bool>,
}

/// Claim against evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Agrees,
    Differs,
    /// Too few samples, or too near to what cannot be told from nothing.
    Open,
}

impl Verdict {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "DIFFERS",
            Self::Open => "open",
        }
    }
}

/// All that is known of a row's copies at one size.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Octets of a payload.
    pub payload: usize,
    /// All samples.
    pub samples: u32,
    /// Share of them in routines that move payload, wherever.
    pub share: f64,
    /// Place by place.
    pub places: [Copying; 4],
    /// The kernel's word.
    pub notices: Option<Notices>,
    pub verdict: Verdict,
}

/// Judges what is `now` known of a row by what is known of it at the smallest size.
pub fn judge(claims: &[Place], smallest: Known, now: Known, notices: Option<Notices>) -> Evidence {
    let profile = now.profile;
    let places = PLACES.map(|place| {
        if claims.contains(&place) {
            claimed(place, now)
        } else {
            unclaimed(place, smallest, now, claims.is_empty())
        }
    });
    let moved: u32 = PLACES.iter().filter_map(|place| profile.at.get(place)).sum();
    let copied = notices.is_some_and(|said| said.copied > 0) && !claims.contains(&Place::Send);
    let verdict = if copied || places.iter().any(|copying| copying.seen == Some(!copying.claimed)) {
        Verdict::Differs
    } else if profile.samples.min(smallest.profile.samples) < ENOUGH
        || places.iter().any(|copying| copying.seen.is_none())
    {
        Verdict::Open
    } else {
        Verdict::Agrees
    };
    let share = f64::from(moved) / f64::from(profile.samples.max(1));
    Evidence { payload: profile.payload, samples: profile.samples, share, places, notices, verdict }
}

fn claimed(place: Place, now: Known) -> Copying {
    let (ns, deviation) = taken(place, now);
    let (error, least) = (2.0 * deviation, now.memcpy.warm / 2.0);
    let seen = if ns - error > least { Some(true) } else { (ns + error < least).then_some(false) };
    Copying { place, claimed: true, ns, error, seen }
}

/// `first`: whether a copy would be the first to touch the payload.
fn unclaimed(place: Place, smallest: Known, now: Known, first: bool) -> Copying {
    let memcpy = |known: Known| if first { known.memcpy.cold } else { known.memcpy.warm };
    let plain = memcpy(now) - memcpy(smallest);
    let (before, uncertain) = taken(place, smallest);
    let (after, certain) = taken(place, now);
    let (ns, error) = (after - before, 2.0 * uncertain.hypot(certain));
    let seen = if ns - error > plain / 2.0 { Some(true) } else { (ns + error < plain).then_some(false) };
    Copying { place, claimed: false, ns, error, seen }
}

/// What the samples at `place` take of a packet, and the standard deviation of it; nanoseconds.
fn taken(place: Place, known: Known) -> (f64, f64) {
    let samples = f64::from(known.profile.at.get(&place).copied().unwrap_or_default());
    let each = known.ns / f64::from(known.profile.samples.max(1));
    // Of no samples it is not known that there never would be one.
    (samples * each, samples.max(1.0).sqrt() * each)
}

#[cfg(test)]
mod tests {
    use super::{Known, Memcpy, Verdict, judge};
    use crate::{
        paths::copies::Profile,
        rows::{
            Notices,
            Place::{self, Read, Send, Stack},
        },
    };

    fn profile(samples: u32, at: &[(Place, u32)]) -> Profile {
        Profile { payload: 0, samples, at: at.iter().copied().collect() }
    }

    /// 2,000 ns a packet at both sizes: a sample of 10,000 is 0.2 ns. A plain copy takes 5 ns more warm, 80 more cold.
    fn verdict(claims: &[Place], small: &Profile, large: &Profile, notices: Option<Notices>) -> Verdict {
        let known = |profile, cold, warm| Known { profile, ns: 2_000.0, memcpy: Memcpy { cold, warm } };
        judge(claims, known(small, 4.0, 3.0), known(large, 84.0, 24.0), notices).verdict
    }

    #[test]
    fn claims_are_held_against_samples() {
        use Verdict::{Agrees, Differs, Open};
        // A header's copy, alike at both sizes, and one of the payload beside it.
        let (header, payload) = ([(Send, 200)], [(Send, 800)]);
        for (what, claims, small, large, expected) in [
            ("no copy, none seen", &[][..], profile(10_000, &[]), profile(10_000, &[]), Agrees),
            ("headers are no payload", &[], profile(10_000, &header), profile(10_000, &header), Agrees),
            ("a copy nobody claims", &[], profile(10_000, &header), profile(10_000, &payload), Differs),
            (
                "a copy elsewhere",
                &[Send],
                profile(10_000, &header),
                profile(10_000, &[(Send, 800), (Stack, 400)]),
                Differs,
            ),
            ("a copy as claimed", &[Send], profile(10_000, &header), profile(10_000, &payload), Agrees),
            ("a copy from the cache", &[Send], profile(10_000, &header), profile(10_000, &header), Agrees),
            (
                "a copy that is not there",
                &[Read, Send],
                profile(10_000, &header),
                profile(10_000, &payload),
                Differs,
            ),
            ("few samples", &[Send], profile(10_000, &header), profile(900, &[(Send, 100)]), Open),
            ("few samples at the smallest size", &[], profile(500, &[]), profile(10_000, &[]), Open),
            ("neither here nor there", &[Send], profile(10_000, &[]), profile(10_000, &[(Send, 60)]), Open),
            ("no profile", &[], profile(0, &[]), profile(0, &[]), Open),
        ] {
            assert_eq!(verdict(claims, &small, &large, None), expected, "{what}");
        }
    }

    #[test]
    fn the_kernel_s_word_counts() {
        let none = profile(10_000, &[]);
        for (copied, expected) in [(0, Verdict::Agrees), (1, Verdict::Differs)] {
            assert_eq!(verdict(&[], &none, &none, Some(Notices { sends: 10, copied })), expected, "{copied}");
        }
    }
}
