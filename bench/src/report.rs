//! What was measured, as tables for people and as JSON for programs.

use crate::{
    bystander::Sample,
    media::PAYLOAD,
    stats::{Summary, ratios},
};
use anyhow::Context;
use jiff::{Timestamp, Unit};
use nix::sys::utsname::uname;
use serde_json::{Map, Value, json};
use std::{fmt::Write, fs, ops::Range};

/// Where and when it was measured.
#[derive(Debug)]
pub struct Conditions {
    pub kernel: String,
    pub cpu: String,
    pub date: String,
    pub packets: usize,
}

impl Conditions {
    /// This machine, now; a turn sends the packets of `part`.
    pub fn here(part: &Range<usize>) -> anyhow::Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
        let name = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            kernel: uname()?.release().to_string_lossy().into_owned(),
            cpu: name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            date: Timestamp::now().round(Unit::Second)?.to_string(),
            packets: part.len(),
        })
    }
}

/// All samples.
#[derive(Debug)]
pub struct Measured {
    /// The rows' names; the first is the one that the others are compared with.
    pub names: Vec<&'static str>,
    /// Per round: nanoseconds per packet of each row.
    pub rounds: Vec<Vec<f64>>,
    /// Per round: a bystander's packet.
    pub bystander: Vec<Sample>,
    /// The program by itself, nanoseconds.
    pub bystander_program: f64,
}

/// A comparison and what is asked of it.
struct Comparison {
    key: String,
    title: String,
    summary: Summary,
    digits: usize,
    bar: Option<f64>,
}

impl Comparison {
    fn verdict(&self) -> String {
        let Some(bar) = self.bar else { return String::new() };
        let verdict = if self.summary.median <= bar { "met" } else { "missed" };
        format!("<= {bar:<4} {verdict}")
    }
}

/// At most this much of another row's time.
fn bar(row: &str) -> Option<f64> {
    match row {
        "read_writev" => Some(0.30),
        "rtp_sendfile" => Some(0.25),
        _ => None,
    }
}

/// At most this much for a bystander, nanoseconds.
const BYSTANDER_BAR: f64 = 60.0;

impl Measured {
    fn samples(&self, row: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[row]).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, Summary)> {
        self.names.iter().enumerate().map(|(row, name)| (*name, Summary::of(self.samples(row))))
    }

    fn comparisons(&self) -> Vec<Comparison> {
        let (names, ours) = (&self.names, self.samples(0));
        let mut all: Vec<Comparison> = (1..names.len())
            .map(|row| Comparison {
                key: format!("{}_vs_{}", names[0], names[row]),
                title: format!("{} / {}", names[0], names[row]),
                summary: Summary::of(ratios(&ours, &self.samples(row))),
                digits: 3,
                bar: bar(names[row]),
            })
            .collect();
        all.push(Comparison {
            key: "bystander_ns".into(),
            title: "bystander, ns more".into(),
            summary: Summary::of(self.bystander.iter().map(|sample| sample.attached - sample.unattached)),
            digits: 1,
            bar: Some(BYSTANDER_BAR),
        });
        all
    }

    /// One object: the median of each comparison, the range of each under
    /// `spread`, all samples under `rounds` and `bystander_rounds`.
    pub fn json(&self, conditions: &Conditions) -> Value {
        let mut object = Map::new();
        let mut spread = Map::new();
        for Comparison { key, summary, .. } in self.comparisons() {
            object.insert(key.clone(), json!(summary.median));
            spread.insert(key, json!({ "min": summary.min, "max": summary.max }));
        }
        object.insert("bystander_program_ns".into(), json!(self.bystander_program));
        let medians: Map<_, _> = self.rows().map(|(name, row)| (name.into(), json!(row.median))).collect();
        object.insert("ns_per_packet".into(), medians.into());
        object.insert("spread".into(), spread.into());
        let rounds = self.rounds.iter().map(|round| {
            let samples = self.names.iter().zip(round);
            samples.map(|(name, sample)| ((*name).to_owned(), json!(sample))).collect::<Value>()
        });
        object.insert("rounds".into(), rounds.collect());
        let bystander = self.bystander.iter();
        let bystander = bystander.map(|s| json!({ "attached": s.attached, "unattached": s.unattached }));
        object.insert("bystander_rounds".into(), bystander.collect());
        object.insert("payload_octets".into(), json!(PAYLOAD));
        object.insert("packets_per_turn".into(), json!(conditions.packets));
        object.insert("kernel".into(), json!(conditions.kernel));
        object.insert("cpu".into(), json!(conditions.cpu));
        object.insert("date".into(), json!(conditions.date));
        object.into()
    }

    /// Tables of at most 80 columns.
    pub fn tables(&self, conditions: &Conditions) -> String {
        let Conditions { kernel, cpu, date, packets } = conditions;
        let rounds = self.rounds.len();
        let mut text = format!(
            "{date}, Linux {kernel:.50}\n\
             {cpu:.80}\n\
             CPU time per packet of {PAYLOAD} octets, unpaced, to an ifb with gso_max_segs 1;\n\
             file in the page cache, index warm; {rounds} rounds of {packets} packets per row.\n\n"
        );
        let mut line = |title: &str, [median, min, max]: [String; 3], last: &str| {
            let line = format!("{title:<24}{median:>10}{min:>10}{max:>10}   {last}");
            writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
        };
        line("ns per packet", ["median", "min", "max"].map(Into::into), "");
        for (name, row) in self.rows() {
            line(name, [row.median, row.min, row.max].map(|ns| format!("{ns:.0}")), "");
        }
        line("", Default::default(), "");
        line("within a round", ["median", "min", "max"].map(Into::into), "bar");
        for comparison in self.comparisons() {
            let Comparison { title, summary, digits, .. } = &comparison;
            let numbers =
                [summary.median, summary.min, summary.max].map(|number| format!("{number:.digits$}"));
            line(title, numbers, &comparison.verdict());
        }
        let program = self.bystander_program;
        text + &format!(
            "\nbystander: sending from another socket through an interface that krtp is\n\
             attached to, minus through one that it is not: hook and program. The program\n\
             alone on such a packet (BPF_PROG_TEST_RUN, its loop included): {program:.0} ns.\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Measured};
    use crate::bystander::Sample;

    fn measured() -> (Measured, Conditions) {
        let slow = |factor: f64| [900.0, 3_600.0, 3_000.0, 600.0].map(|ns| ns * factor).to_vec();
        let measured = Measured {
            names: vec!["krtp", "read_writev", "rtp_sendfile", "user_gso"],
            rounds: vec![slow(1.0), slow(10.0), slow(1.1)],
            bystander: vec![
                Sample { attached: 730.0, unattached: 720.0 },
                Sample { attached: 800.0, unattached: 720.0 },
                Sample { attached: 715.0, unattached: 720.0 },
            ],
            bystander_program: 9.0,
        };
        let conditions = Conditions {
            kernel: "6.18.44-some-rather-long-name-amd64".into(),
            cpu: "A processor with a name that goes on and on and on @ 2.90GHz".into(),
            date: "2026-11-23T00:00:00Z".into(),
            packets: 27_788,
        };
        (measured, conditions)
    }

    #[test]
    fn json_has_the_keys_that_others_read() {
        let (measured, conditions) = measured();
        let json = measured.json(&conditions);
        for (key, expected) in [
            ("/krtp_vs_read_writev", 0.25),
            ("/krtp_vs_rtp_sendfile", 0.3),
            ("/krtp_vs_user_gso", 1.5),
            ("/bystander_ns", 10.0),
            ("/bystander_program_ns", 9.0),
            ("/ns_per_packet/krtp", 990.0),
            ("/spread/bystander_ns/max", 80.0),
            ("/rounds/1/user_gso", 6_000.0),
            ("/bystander_rounds/2/attached", 715.0),
        ] {
            let value = json.pointer(key).and_then(serde_json::Value::as_f64).expect(key);
            assert!((value - expected).abs() < 1e-9, "{key}: {value}, not {expected}");
        }
        assert!(json["kernel"].is_string() && json["date"].is_string());
    }

    #[test]
    fn tables_fit_80_columns_and_say_what_is_met() {
        let (measured, conditions) = measured();
        let tables = measured.tables(&conditions);
        for line in tables.lines() {
            assert!(line.chars().count() <= 80, "too wide: {line}");
        }
        for (begin, end) in [
            ("krtp / read_writev", "<= 0.3  met"),
            ("krtp / rtp_sendfile", "<= 0.25 missed"),
            ("krtp / user_gso", "1.500"),
            ("bystander, ns more", "<= 60   met"),
        ] {
            let line = tables.lines().find(|line| line.starts_with(begin)).expect(begin);
            assert!(line.ends_with(end), "{line} does not end in {end}");
        }
    }
}
