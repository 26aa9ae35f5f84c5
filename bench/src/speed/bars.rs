//! A bar, and what was measured against it.

use crate::stats::Spread;
use serde_json::{Value, json};

/// What was measured.
#[derive(Clone, Debug)]
pub enum Figure {
    /// Of several rounds.
    Rounds { spread: Spread, rounds: usize },
    /// Once.
    Once(f64),
    /// Nothing, and why.
    Missing(String),
}

impl Figure {
    /// Of rounds; without any it is missing.
    pub fn of(rounds: Vec<f64>) -> Self {
        let count = rounds.len();
        Spread::of(rounds).map_or_else(
            || Self::Missing("there was no round".into()),
            |spread| Self::Rounds { spread, rounds: count },
        )
    }

    /// The figure that the bar is held against: the median.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Rounds { spread, .. } => Some(spread.median),
            Self::Once(value) => Some(*value),
            Self::Missing(_) => None,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Rounds { spread, rounds } => {
                json!({ "figure": spread.median, "low": spread.low, "high": spread.high, "rounds": rounds })
            }
            Self::Once(value) => json!({ "figure": value, "rounds": 1 }),
            Self::Missing(why) => json!({ "figure": null, "why": why }),
        }
    }
}

/// Something that krtp is to reach.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Its name in JSON.
    pub key: String,
    /// Its name in tables.
    pub title: String,
    /// What was measured.
    pub figure: Figure,
    /// What it is held against.
    pub mark: f64,
    /// What one would like, which is further.
    pub goal: Option<f64>,
    /// Whether more is better.
    at_least: bool,
    /// What else was measured with it, by name.
    also: Vec<(&'static str, Figure)>,
}

impl Bar {
    /// One that is met at `bar` and below.
    pub fn at_most(key: &str, title: &str, bar: f64, figure: Figure) -> Self {
        let (key, title) = (key.to_owned(), title.to_owned());
        Self { key, title, figure, mark: bar, goal: None, at_least: false, also: Vec::new() }
    }

    /// One that is met at `bar` and above.
    pub fn at_least(key: &str, title: &str, bar: f64, figure: Figure) -> Self {
        Self { at_least: true, ..Self::at_most(key, title, bar, figure) }
    }

    /// With a goal.
    pub fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// With something else that belongs to it.
    pub fn also(mut self, name: &'static str, figure: Figure) -> Self {
        self.also.push((name, figure));
        self
    }

    fn reaches(&self, mark: f64) -> Option<bool> {
        self.figure.value().map(|value| if self.at_least { value >= mark } else { value <= mark })
    }

    /// Whether it is met; none where nothing was measured.
    pub fn met(&self) -> Option<bool> {
        self.reaches(self.mark)
    }

    /// The bar as it is written.
    pub fn mark(&self) -> String {
        format!("{} {}", if self.at_least { ">=" } else { "<=" }, self.mark)
    }

    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match (self.met(), self.goal.and_then(|goal| self.reaches(goal))) {
            (None, _) => "none",
            (Some(false), _) => "missed",
            (Some(true), Some(true)) => "goal",
            (Some(true), _) => "met",
        }
    }

    /// One object.
    pub fn json(&self) -> Value {
        let mut all = self.figure.json();
        all["bar"] = json!(self.mark());
        all["goal"] = json!(self.goal);
        all["met"] = json!(self.met());
        all["goal_met"] = json!(self.goal.and_then(|goal| self.reaches(goal)));
        for (name, figure) in &self.also {
            all[*name] = figure.json();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, Figure};

    #[test]
    fn a_bar_is_met_or_not() {
        let most = |figure| Bar::at_most("k", "t", 1.1, figure).goal(1.0);
        let least = |figure| Bar::at_least("k", "t", 1.8, figure);
        for (case, bar, verdict) in [
            ("below the goal", most(Figure::Once(0.9)), "goal"),
            ("on the bar", most(Figure::Once(1.1)), "met"),
            ("above", most(Figure::of(vec![0.5, 1.2, 1.3])), "missed"),
            ("nothing measured", most(Figure::Missing("why".into())), "none"),
            ("no rounds", most(Figure::of(Vec::new())), "none"),
            ("more is better", least(Figure::Once(1.9)), "met"),
            ("too little", least(Figure::Once(1.7)), "missed"),
        ] {
            assert_eq!(bar.verdict(), verdict, "{case}");
            assert_eq!(bar.json()["met"].as_bool(), bar.met(), "{case}");
        }
    }
}
