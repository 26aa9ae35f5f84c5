//! What was measured, as tables for people and as JSON for programs.

use super::{profile::Shares, steps::Steps};
use crate::{
    media::PAYLOAD,
    report::Conditions,
    stats::{Summary, ratios},
};
use serde_json::{Value, json};
use std::fmt::Write;

/// All samples.
pub struct Measured {
    /// The builds of the object, krtp's own first, and last what they are compared with.
    pub names: Vec<String>,
    /// Per round: nanoseconds per packet of each of them.
    pub rounds: Vec<Vec<f64>>,
    /// Of each build.
    pub steps: Vec<Steps>,
    /// Of krtp's own.
    pub profile: Shares,
}

impl Measured {
    fn samples(&self, row: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[row]).collect()
    }

    /// Every row's time by the one it stands beside: krtp's by each of the others.
    fn ratios(&self) -> impl Iterator<Item = (&str, Summary)> {
        let ours = self.samples(0);
        let others = self.names.iter().enumerate().skip(1);
        others.map(move |(row, name)| (name.as_str(), Summary::of(ratios(&ours, &self.samples(row)))))
    }

    /// One object.
    pub fn json(&self, conditions: &Conditions) -> Value {
        let summary = |s: Summary| json!({ "median": s.median, "min": s.min, "max": s.max });
        let rows = self.names.iter().enumerate();
        let rows = rows.map(|(row, name)| (name.clone(), summary(Summary::of(self.samples(row)))));
        let steps = self.names.iter().zip(&self.steps).map(|(name, steps)| {
            let Steps { bystander, batch, segment } = steps;
            (name.clone(), json!({ "bystander": bystander, "batch": batch, "segment": segment }))
        });
        json!({
            "ns_per_packet": rows.collect::<Value>(),
            "krtp_vs": self.ratios().map(|(name, s)| (name.to_owned(), summary(s))).collect::<Value>(),
            "program_ns": steps.collect::<Value>(),
            "profile": self.profile.iter().map(|(step, share)| (step.clone(), json!(share))).collect::<Value>(),
            "payload_octets": PAYLOAD,
            "packets_per_turn": conditions.packets,
            "rounds": self.rounds.len(),
            "kernel": conditions.kernel,
            "cpu": conditions.cpu,
            "date": conditions.date,
        })
    }

    /// Tables of at most 80 columns.
    pub fn tables(&self, conditions: &Conditions) -> String {
        let Conditions { kernel, cpu, date, packets } = conditions;
        let mut text = format!(
            "{date}, Linux {kernel:.50}\n{cpu:.80}\n\
             CPU time per packet of {PAYLOAD} octets, unpaced, to an ifb with gso_max_segs 1;\n\
             {} rounds of {packets} packets per row.\n\n",
            self.rounds.len()
        );
        let mut line = |title: &str, numbers: [String; 3]| {
            let [a, b, c] = numbers;
            writeln!(text, "{title:<40.40}{a:>10}{b:>10}{c:>10}").expect("a string takes everything");
        };
        let three = |s: Summary, digits: usize| [s.median, s.min, s.max].map(|n| format!("{n:.digits$}"));
        line("ns per packet", ["median", "min", "max"].map(Into::into));
        for (row, name) in self.names.iter().enumerate() {
            line(name, three(Summary::of(self.samples(row)), 0));
        }
        for (name, ratio) in self.ratios() {
            line(&format!("krtp / {name}"), three(ratio, 3));
        }
        line("\nthe program by itself, ns", ["bystander", "batch", "segment"].map(Into::into));
        for (name, Steps { bystander, batch, segment }) in self.names.iter().zip(&self.steps) {
            line(name, [bystander, batch, segment].map(|ns| format!("{ns:.0}")));
        }
        if !self.profile.is_empty() {
            let ns = Summary::of(self.samples(0)).median;
            line("\nprofile of krtp", ["share".into(), "ns".into(), String::new()]);
            for (step, share) in &self.profile {
                line(step, [format!("{:.1} %", share * 100.0), format!("{:.0}", share * ns), String::new()]);
            }
        }
        text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }
}
