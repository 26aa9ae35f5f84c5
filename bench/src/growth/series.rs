//! Samples against something that grows, as a table and as JSON.

use crate::stats::{Spread, ratios};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Samples against something that grows.
#[derive(Debug)]
pub struct Series {
    /// Its name in JSON.
    pub key: String,
    /// Its name in tables.
    pub title: String,
    /// What grows.
    pub across: &'static str,
    /// How far it has grown.
    pub at: Vec<usize>,
    /// The place that the others are compared with.
    pub base: usize,
    /// For each round, nanoseconds per packet at each place.
    pub rounds: Vec<Vec<f64>>,
}

impl Series {
    fn samples(&self, place: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[place]).collect()
    }

    /// Nanoseconds per packet at each place.
    fn spreads(&self) -> Vec<Spread> {
        let spread = |place| Spread::of(self.samples(place)).expect("there is a round");
        (0..self.at.len()).map(spread).collect()
    }

    /// A place by the base, within each round.
    pub fn ratios(&self, place: usize) -> Vec<f64> {
        ratios(&self.samples(place), &self.samples(self.base))
    }

    /// The same of every place.
    fn ratio_spreads(&self) -> Vec<Spread> {
        let ratio = |place| Spread::of(self.ratios(place)).expect("there is a round");
        (0..self.at.len()).map(ratio).collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "across": self.across,
            "at": self.at,
            "ns_per_packet": self.spreads(),
            "base": self.at[self.base],
            "of_base": self.ratio_spreads(),
            "rounds": self.rounds.len(),
        })
    }

    /// Adds it to `text`, for people.
    pub fn table(&self, text: &mut String) {
        let mut line = |title: &str, cells: Vec<String>| {
            write_line(text, title, 22, &cells, 8);
        };
        line(&self.title, Vec::new());
        line(&format!("  {}", self.across), self.at.iter().map(ToString::to_string).collect());
        let spreads = self.spreads();
        line("  ns per packet", spreads.iter().map(|ns| format!("{:.0}", ns.median)).collect());
        let ratios = self.ratio_spreads();
        line(&format!("  x of {}", self.at[self.base]), cells(&ratios, |ratio| ratio.median));
        line("    80 % are above", cells(&ratios, |ratio| ratio.low));
        line("         and below", cells(&ratios, |ratio| ratio.high));
        line("", Vec::new());
    }
}

fn cells(ratios: &[Spread], of: impl Fn(&Spread) -> f64) -> Vec<String> {
    ratios.iter().map(|ratio| format!("{:.2}", of(ratio))).collect()
}

/// Adds a line of a table: its title, and cells of one width.
pub fn write_line(text: &mut String, title: &str, wide: usize, cells: &[String], each: usize) {
    const ROOM: &str = "a string takes everything";
    write!(text, "{title:<wide$}").expect(ROOM);
    for cell in cells {
        write!(text, "{cell:>each$}").expect(ROOM);
    }
    writeln!(text).expect(ROOM);
}
