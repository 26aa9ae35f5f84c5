//! The media's clock: when each octet of a file is due.
//!
//! Between two points at which the time is known the octets are evenly spread,
//! as ISO/IEC 13818-1 §2.4.2.2 has it of the octets between two PCRs.

use bytemuck::{Pod, Zeroable};

/// An octet whose time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Knot {
    /// Offset in the file.
    pub octet: u64,
    /// Its time since the media's beginning, ticks of the clock's rate.
    pub ticks: u64,
}

/// The straight line from one knot to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins.
    pub from: Knot,
    /// Where it ends: at a later octet, and no earlier time.
    pub to: Knot,
}

impl Stretch {
    /// Octets from end to end, at least one.
    pub const fn octets(&self) -> u64 {
        self.to.octet - self.from.octet
    }

    /// Ticks from end to end.
    pub const fn ticks(&self) -> u64 {
        self.to.ticks - self.from.ticks
    }

    /// The time of `octet` on this line, rounded down. An octet outside is on
    /// the line made longer; before the line's beginning it is the beginning.
    pub fn ticks_at(&self, octet: u64) -> u64 {
        let distance = octet.saturating_sub(self.from.octet);
        let ahead = u128::from(distance) * u128::from(self.ticks()) / u128::from(self.octets());
        self.from.ticks.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX))
    }

    /// The first octet whose time is `ticks` or later; `None` when it lies
    /// behind the line's end.
    fn octet_at(&self, ticks: u64) -> Option<u64> {
        let ahead = ticks.saturating_sub(self.from.ticks);
        if ahead > self.ticks() {
            return None;
        }
        let distance =
            (u128::from(ahead) * u128::from(self.octets())).div_ceil(u128::from(self.ticks().max(1)));
        Some(self.from.octet + u64::try_from(distance).expect("no more than the line has"))
    }
}

/// The clock of a file, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    hertz: u32,
    knots: Vec<Knot>,
}

impl Clock {
    /// A clock of `hertz` ticks per second (not zero) of which nothing is known.
    pub const fn new(hertz: u32) -> Self {
        Self { hertz, knots: Vec::new() }
    }

    /// The clock of octets `from..to` that last `ticks`, evenly.
    ///
    /// `None` where there is nothing to spread: no octets.
    pub fn even(hertz: u32, from: u64, to: u64, ticks: u64) -> Option<Self> {
        let knots = vec![Knot { octet: from, ticks: 0 }, Knot { octet: to, ticks }];
        (to > from).then_some(Self { hertz, knots })
    }

    /// The clock of those `knots`; `None` where they are not in order.
    pub fn of(hertz: u32, knots: Vec<Knot>) -> Option<Self> {
        let ordered = knots.windows(2).all(|two| two[0].octet < two[1].octet && two[0].ticks <= two[1].ticks);
        ordered.then_some(Self { hertz, knots })
    }

    /// Ticks per second.
    pub const fn hertz(&self) -> u32 {
        self.hertz
    }

    /// What is known, in order.
    pub fn knots(&self) -> &[Knot] {
        &self.knots
    }

    /// Adds what lies behind all that is known.
    ///
    /// # Panics
    ///
    /// Where `knot` is not at a later octet and no earlier a time than the last.
    pub fn push(&mut self, knot: Knot) {
        if let Some(last) = self.knots.last() {
            assert!(knot.octet > last.octet && knot.ticks >= last.ticks, "{knot:?} after {last:?}");
        }
        self.knots.push(knot);
    }

    /// The octet up to which the clock is known; zero where nothing is.
    pub fn known(&self) -> u64 {
        if self.knots.len() < 2 { 0 } else { self.knots.last().map_or(0, |knot| knot.octet) }
    }

    /// The time of the last known octet.
    pub fn span(&self) -> u64 {
        self.knots.last().map_or(0, |knot| knot.ticks)
    }

    /// The straight part that `octet` lies on, of two that meet there the
    /// later. Before the first it is the first, behind the last the last;
    /// `None` where nothing is known.
    pub fn stretch(&self, octet: u64) -> Option<Stretch> {
        let last = self.knots.len().checked_sub(2)?;
        let from = self.knots.partition_point(|knot| knot.octet <= octet).saturating_sub(1).min(last);
        Some(Stretch { from: self.knots[from], to: self.knots[from + 1] })
    }

    /// The first octet whose time is `ticks` or later; `None` behind the end of
    /// what is known.
    pub fn octet_at(&self, ticks: u64) -> Option<u64> {
        let last = self.knots.len().checked_sub(2)?;
        let from = self.knots.partition_point(|knot| knot.ticks < ticks).saturating_sub(1).min(last);
        Stretch { from: self.knots[from], to: self.knots[from + 1] }.octet_at(ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Knot, Stretch};
    use proptest::prelude::*;

    const fn knot(octet: u64, ticks: u64) -> Knot {
        Knot { octet, ticks }
    }

    fn bent() -> Clock {
        let mut clock = Clock::new(1000);
        for knot in [knot(100, 0), knot(200, 50), knot(300, 50), knot(400, 250)] {
            clock.push(knot);
        }
        clock
    }

    #[test]
    fn octets_find_their_stretch_and_time() {
        let clock = bent();
        let stretch = |from, to| Stretch { from, to };
        let (a, b, c, d) = (knot(100, 0), knot(200, 50), knot(300, 50), knot(400, 250));
        for (octet, expected, ticks) in [
            (0, stretch(a, b), 0),
            (100, stretch(a, b), 0),
            (199, stretch(a, b), 49),
            (200, stretch(b, c), 50),
            (299, stretch(b, c), 50),
            (300, stretch(c, d), 50),
            (399, stretch(c, d), 248),
            (400, stretch(c, d), 250),
            (500, stretch(c, d), 450),
        ] {
            let found = clock.stretch(octet).expect("something is known");
            assert_eq!((found, found.ticks_at(octet)), (expected, ticks), "octet {octet}");
        }
        assert_eq!((clock.known(), clock.span()), (400, 250));
    }

    #[test]
    fn times_find_their_octet() {
        for (ticks, octet) in
            [(0, Some(100)), (1, Some(102)), (50, Some(200)), (51, Some(301)), (250, Some(400)), (251, None)]
        {
            assert_eq!(bent().octet_at(ticks), octet, "{ticks} ticks");
        }
    }

    #[test]
    fn a_clock_of_which_nothing_is_known_says_nothing() {
        let mut clock = Clock::new(90_000);
        assert_eq!((clock.stretch(0), clock.octet_at(0), clock.known()), (None, None, 0));
        clock.push(knot(7, 0));
        assert_eq!((clock.stretch(7), clock.octet_at(0), clock.known()), (None, None, 0));
        assert_eq!(Clock::even(90_000, 5, 5, 1), None);
    }

    proptest! {
        /// Against a search octet by octet.
        #[test]
        fn the_first_octet_at_a_time_is_the_first(
            steps in proptest::collection::vec((1u64..40, 0u64..90), 1..8), ticks in 0u64..700,
        ) {
            let mut clock = Clock::new(27_000_000);
            let mut at = knot(11, 0);
            clock.push(at);
            for (octets, ticks) in steps {
                at = knot(at.octet + octets, at.ticks + ticks);
                clock.push(at);
            }
            let time = |octet: u64| {
                let stretch = clock.stretch(octet).expect("known");
                let distance = (octet - stretch.from.octet) as f64;
                stretch.from.ticks as f64 + distance * stretch.ticks() as f64 / stretch.octets() as f64
            };
            let naive = (11..=at.octet).find(|&octet| time(octet) >= ticks as f64 - 1e-9);
            prop_assert_eq!(clock.octet_at(ticks), naive);
        }
    }
}
