//! Fewer knots: those that lie on the line between two others are left out.

use super::clock::Knot;

/// How far from the line a knot that is left out may lie, ticks of 27 MHz: the
/// tolerance of a PCR, 500 ns (ISO/IEC 13818-1 §2.4.2.2).
pub const TOLERANCE: u64 = 13;
/// Longest stretch that knots are left out of, ticks of 27 MHz: a second, so
/// that reading a second ahead is enough to play.
pub const LONGEST: u64 = 27_000_000;

/// A slope, ticks over octets; over none it is steeper than any.
#[derive(Clone, Copy, Debug)]
struct Slope(i128, i128);

impl Slope {
    fn is_below(self, other: Self) -> bool {
        self.0 * other.1 < other.0 * self.1
    }
}

/// Goes from a kept knot as far as one line serves all knots on the way: the
/// slopes that pass each of them closely enough are a cone, and the line ends
/// where the next knot lies outside of it. Kept knots are never moved.
#[derive(Clone, Copy, Debug)]
pub struct Cone {
    vertex: Knot,
    end: Option<Knot>,
    low: Slope,
    high: Slope,
}

impl Cone {
    /// Begins at a knot that is kept.
    pub fn new(vertex: Knot) -> Self {
        Self { vertex, end: None, low: Slope(-1, 0), high: Slope(1, 0) }
    }

    /// Takes the next knot, at a later octet and no earlier a time than the one
    /// before. Returns the one before if that is to be kept.
    pub fn push(&mut self, knot: Knot) -> Option<Knot> {
        let (slope, kept) = match (self.slope(knot), self.end) {
            (slope, Some(end)) if self.breaks(knot, slope) => {
                *self = Self::new(end);
                (self.slope(knot), Some(end))
            }
            (slope, _) => (slope, None),
        };
        let tolerance = i128::from(TOLERANCE);
        let (low, high) = (Slope(slope.0 - tolerance, slope.1), Slope(slope.0 + tolerance, slope.1));
        if self.low.is_below(low) {
            self.low = low;
        }
        if high.is_below(self.high) {
            self.high = high;
        }
        self.end = Some(knot);
        kept
    }

    /// The last knot, if any came behind the one that was kept last.
    pub fn finish(self) -> Option<Knot> {
        self.end
    }

    fn breaks(&self, knot: Knot, slope: Slope) -> bool {
        let long = knot.ticks - self.vertex.ticks > LONGEST;
        long || slope.is_below(self.low) || self.high.is_below(slope)
    }

    fn slope(&self, knot: Knot) -> Slope {
        let ticks = i128::from(knot.ticks - self.vertex.ticks);
        Slope(ticks, i128::from(knot.octet - self.vertex.octet))
    }
}
