//! PCR after PCR laid end to end: over wraps and discontinuities one time that
//! never steps back.

use super::{
    clock::Knot,
    pcr::{HERTZ, Pcr, WRAP},
};
use bytemuck::{Pod, Zeroable};

/// A PCR further ahead than this is looked at twice.
const JUMP: u64 = HERTZ;
/// Until a rate is known, a PCR up to here is taken for the next one.
const FIRST_INTERVAL: u64 = 10 * HERTZ;
/// A jump is where the octets come so many times slower than before.
const SLOWER: u128 = 10;
/// The rate before is that of one to two times so long.
const RATED: u64 = HERTZ;

/// What was counted in the PCRs of a programme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PcrCounts {
    /// PCRs in all.
    pub pcrs: u64,
    /// Those that repeat the value before them, which say nothing.
    pub standing: u64,
    /// Times that the PCR began again at zero.
    pub wraps: u64,
    /// Discontinuities that `discontinuity_indicator` announced.
    pub flagged: u64,
    /// Those that nothing announced.
    pub unflagged: u64,
    /// Longest time between two PCRs, ticks of 27 MHz.
    pub longest: u64,
    /// Lowest rate between two PCRs, bits per second; zero before two.
    pub slowest: u64,
    /// Highest.
    pub fastest: u64,
}

/// What a PCR says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Time is counted from here on: nothing before it could be timed.
    Begin(Knot),
    /// The next octet whose time is known.
    Next(Knot),
    /// Nothing.
    Nothing,
}

/// Lays the PCRs of a programme end to end.
///
/// Time is that of the first usable PCR and 27 MHz ticks since. A PCR that repeats
/// the one before is passed over: no octets take no time, so the octets up to the
/// next other value share the time up to that. At a discontinuity (announced; or
/// another PID; or backwards; or more than a second ahead with the octets ten times slower than
/// before) the octets up to the new PCR last as the rate before has it, which is
/// that of the last one to two seconds. While no rate is known, a discontinuity
/// begins anew, and a first interval of more than ten seconds is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unroll {
    last: Option<(Knot, Pcr)>,
    /// Between these two and the last PCR the rate is taken.
    older: Option<Knot>,
    newer: Option<Knot>,
    counts: PcrCounts,
}

impl Unroll {
    /// What was counted so far.
    pub fn counts(&self) -> PcrCounts {
        self.counts
    }

    /// The octet and time of the last PCR that said something.
    pub fn last(&self) -> Option<Knot> {
        self.last.map(|(knot, _)| knot)
    }

    /// Takes the next PCR, whose octet is behind that of the one before.
    /// `flagged`: its time base was announced as a new one.
    pub fn push(&mut self, octet: u64, pcr: Pcr, flagged: bool) -> Said {
        self.counts.pcrs += 1;
        let Some((last, before)) = self.last else {
            return self.begin(octet, pcr);
        };
        let ticks = before.until(pcr);
        let octets = octet - last.octet;
        if flagged {
            self.counts.flagged += 1;
        } else if pcr.pid != before.pid {
            // What the values have to do with each other nobody says.
            self.counts.unflagged += 1;
        } else if ticks == 0 {
            self.counts.standing += 1;
            return Said::Nothing;
        } else if self.is_jump(octets, ticks) {
            self.counts.unflagged += 1;
        } else {
            self.counts.wraps += u64::from(pcr.ticks < before.ticks);
            self.note(octets, ticks);
            return self.go_on(Knot { octet, ticks: last.ticks.saturating_add(ticks) }, pcr);
        }
        match self.lasting(octets) {
            Some(ticks) => self.go_on(Knot { octet, ticks: last.ticks.saturating_add(ticks) }, pcr),
            None => self.begin(octet, pcr),
        }
    }

    /// How long `octets` last at the rate of the last one to two seconds,
    /// rounded down; `None` while no rate is known.
    pub fn lasting(&self, octets: u64) -> Option<u64> {
        let (rate_octets, rate_ticks) = self.rate()?;
        let ticks = u128::from(octets) * u128::from(rate_ticks) / u128::from(rate_octets);
        Some(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    /// Octets and the ticks they last, neither zero.
    fn rate(&self) -> Option<(u64, u64)> {
        let (last, older) = (self.last()?, self.older?);
        let (octets, ticks) = (last.octet - older.octet, last.ticks - older.ticks);
        (octets > 0 && ticks > 0).then_some((octets, ticks))
    }

    fn is_jump(&self, octets: u64, ticks: u64) -> bool {
        match self.rate() {
            // More than half way round is a step back.
            _ if ticks >= WRAP / 2 => true,
            None => ticks > FIRST_INTERVAL,
            Some((rate_octets, rate_ticks)) => {
                let slow = SLOWER * u128::from(octets) * u128::from(rate_ticks)
                    < u128::from(rate_octets) * u128::from(ticks);
                ticks > JUMP && slow
            }
        }
    }

    fn begin(&mut self, octet: u64, pcr: Pcr) -> Said {
        let knot = Knot { octet, ticks: 0 };
        self.last = Some((knot, pcr));
        (self.older, self.newer) = (Some(knot), Some(knot));
        Said::Begin(knot)
    }

    fn go_on(&mut self, knot: Knot, pcr: Pcr) -> Said {
        self.last = Some((knot, pcr));
        if self.newer.is_some_and(|newer| knot.ticks - newer.ticks >= RATED) {
            self.older = self.newer.replace(knot);
        }
        Said::Next(knot)
    }

    fn note(&mut self, octets: u64, ticks: u64) {
        let bits = u128::from(octets) * 8 * u128::from(HERTZ) / u128::from(ticks);
        let bits = u64::try_from(bits).unwrap_or(u64::MAX).max(1);
        let counts = &mut self.counts;
        counts.longest = counts.longest.max(ticks);
        counts.fastest = counts.fastest.max(bits);
        counts.slowest = if counts.slowest == 0 { bits } else { counts.slowest.min(bits) };
    }
}
