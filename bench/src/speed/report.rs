//! The bars as a table for people and as JSON for programs.

use super::bars::{Bar, Figure};
use crate::{media::PAYLOAD, report::Conditions};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A run.
#[derive(Debug)]
pub struct Report {
    pub bars: Vec<Bar>,
    pub conditions: Conditions,
}

impl Report {
    /// One object: every bar by its name.
    pub fn json(&self) -> Value {
        let Conditions { kernel, cpu, date, packets } = &self.conditions;
        let met = |met| self.bars.iter().filter(|bar| bar.met() == Some(met)).count();
        json!({
            "schema": 1,
            "bars": self.bars.iter().map(|bar| (bar.key.clone(), bar.json())).collect::<Value>(),
            "met": met(true),
            "missed": met(false),
            "not_measured": self.bars.iter().filter(|bar| bar.met().is_none()).count(),
            "payload_octets": PAYLOAD,
            "packets_per_turn": packets,
            "kernel": kernel,
            "cpu": cpu,
            "date": date,
        })
    }

    /// A table of at most 80 columns.
    pub fn table(&self) -> String {
        let Conditions { kernel, cpu, date, packets } = &self.conditions;
        let mut text = format!(
            "{date}, Linux {kernel:.50}\n{cpu:.80}\n\
             CPU time per packet of {PAYLOAD} octets, unpaced, but where another unit stands;\n\
             {packets} packets a turn, ratios within a round.\n\n",
        );
        let mut line = |cells: [&str; 6]| {
            let [title, median, low, high, bar, verdict] = cells;
            writeln!(text, "{title:<37}{median:>8}{low:>8}{high:>8}  {bar:<8} {verdict}")
                .expect("a string takes everything");
        };
        line(["", "median", "10 %", "90 %", "bar", ""]);
        for bar in &self.bars {
            let number = |number: f64| format!("{number:.*}", if number.abs() < 10.0 { 3 } else { 1 });
            let cells = match &bar.figure {
                Figure::Rounds { spread, .. } => [spread.median, spread.low, spread.high].map(number),
                Figure::Once(value) => [number(*value), String::new(), String::new()],
                Figure::Missing(_) => Default::default(),
            };
            line([&bar.title, &cells[0], &cells[1], &cells[2], &bar.mark(), bar.verdict()]);
        }
        for bar in &self.bars {
            if let Figure::Missing(why) = &bar.figure {
                writeln!(text, "{}: {why:.60}", bar.key).expect("a string takes everything");
            }
        }
        text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::bars::{Bar, Figure},
        Report,
    };
    use crate::report::Conditions;

    fn report() -> Report {
        let figure = || Figure::of(vec![0.2, 0.21, 100.25]);
        let bars = vec![
            Bar::at_most("raw_by_user_gso", "prepared / user GSO, without offload", 0.21, figure()).goal(0.1),
            Bar::at_least("cores", "two cores / one, an interface each", 1.8, Figure::Once(1234.5)),
            Bar::at_most(
                "peer",
                "prepared, offload / GStreamer, processes",
                0.1,
                Figure::Missing("no".repeat(80)),
            ),
        ];
        let conditions = Conditions {
            kernel: "6.18.44-some-rather-long-name-amd64".into(),
            cpu: "A processor with a name that goes on and on and on @ 2.90GHz".into(),
            date: "2026-11-23T00:00:00Z".into(),
            packets: 27_788,
        };
        Report { bars, conditions }
    }

    #[test]
    fn a_table_fits_80_columns_and_says_what_is_met() {
        let table = report().table();
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "too wide: {line}");
        }
        for (begin, end) in
            [("prepared / user", "<= 0.21  met"), ("two cores", ">= 1.8   met"), ("prepared, off", "none")]
        {
            let line = table.lines().find(|line| line.starts_with(begin)).expect(begin);
            assert!(line.ends_with(end), "{line} does not end in {end}");
        }
    }

    #[test]
    fn json_has_each_bar() {
        let json = report().json();
        assert_eq!(json.pointer("/bars/raw_by_user_gso/met"), Some(&true.into()));
        assert_eq!(json.pointer("/bars/raw_by_user_gso/goal_met"), Some(&false.into()));
        assert_eq!(json.pointer("/bars/raw_by_user_gso/bar"), Some(&"<= 0.21".into()));
        assert_eq!(["met", "missed", "not_measured"].map(|key| json[key].as_u64()), [2, 0, 1].map(Some));
    }
}
