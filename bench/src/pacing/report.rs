//! The comparison as a table for people and as JSON for programs.

use super::{Measured, delivery, figures::Figures};
use anyhow::Context;
use jiff::{Timestamp, Unit};
use nix::sys::utsname::uname;
use serde_json::{Value, json};
use std::{fmt, fs, path::Path};

/// All rows, and where they were measured.
#[derive(Debug)]
pub struct Report {
    kernel: String,
    cpu: String,
    date: String,
    seconds: u32,
    file: String,
    rows: Vec<Measured>,
}

impl Report {
    /// Of this machine, now.
    pub fn new(seconds: u32, file: &Path, rows: Vec<Measured>) -> anyhow::Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
        let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            kernel: uname()?.release().to_string_lossy().into_owned(),
            cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            date: Timestamp::now().round(Unit::Second)?.to_string(),
            seconds,
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            rows,
        })
    }

    /// Whether every row that this kernel can have has figures.
    pub fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.figures.is_ok() || row.cost.is_none() && row.row.fq)
    }

    /// For programs; times in nanoseconds.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        json!({
            "kernel": self.kernel,
            "cpu": self.cpu,
            "date": self.date,
            "file": self.file,
            "seconds": self.seconds,
            "rows": rows,
        })
    }
}

fn row_json(row: &Measured) -> Value {
    let mut value = json!({
        "row": row.row.key,
        "name": row.row.name,
        "packets": row.received.packets.len(),
        "lost": delivery::lost(&row.received),
    });
    if let Some(cost) = &row.cost {
        value["cpu_seconds"] = json!(cost.cpu_seconds);
        value["wakeups"] = json!(cost.wakeups);
        value["machine_cpu_seconds"] = json!(cost.machine_seconds);
    }
    match &row.figures {
        Err(why) => value["not_measured"] = json!(why),
        Ok(figures) => {
            value["error_p50_ns"] = json!(figures.error_p50);
            value["error_p99_ns"] = json!(figures.error_p99);
            value["error_max_ns"] = json!(figures.error_max);
            value["longest_burst"] = json!(figures.longest_burst);
            value["rate_ppm"] = json!(figures.rate_ppm);
            value["ends_ppm"] = json!(figures.ends_ppm);
            value["within_10_ms"] = json!(figures.within_10_ms);
        }
    }
    value
}

const TITLES: [&str; 10] = [
    "sender",
    "p50 us",
    "p99 us",
    "max us",
    "burst",
    "rate ppm",
    "CPU s",
    "all CPU s",
    "wake-ups",
    "packets",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} s of {} each, Linux {}, {}, {}\n",
            self.seconds, self.file, self.kernel, self.cpu, self.date
        )?;
        let width =
            self.rows.iter().map(|row| row.row.name.len()).max().unwrap_or_default().max(TITLES[0].len());
        write!(f, "{:<width$}", TITLES[0])?;
        for title in &TITLES[1..] {
            write!(f, "  {title:>9}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "{:<width$}", row.row.name)?;
            match (&row.figures, &row.cost) {
                (Ok(figures), Some(cost)) => {
                    for cell in times(figures) {
                        write!(f, "  {cell:>9}")?;
                    }
                    let (cpu, all, wakeups) = (cost.cpu_seconds, cost.machine_seconds, cost.wakeups);
                    writeln!(f, "  {cpu:>9.2}  {all:>9.2}  {wakeups:>9}  {:>9}", row.received.packets.len())?;
                }
                (Err(why), _) => writeln!(f, "  {why}")?,
                (Ok(_), None) => writeln!(f, "  its cost is not known")?,
            }
        }
        writeln!(f, "\n{LEGEND}")
    }
}

const LEGEND: &str = "\
p50, p99, max: how far gaps between packets are from the gaps that the PCRs ask for. burst: most packets in a row
that came closer than half of that. rate: against the PCRs, by the line nearest to all packets. CPU: the sender's own,
user and system; all CPU: of everything on the machine meanwhile. wake-ups: its voluntary context switches.";

fn times(figures: &Figures) -> [String; 5] {
    let micros = |nanos: f64| format!("{:.1}", nanos / 1e3);
    [
        micros(figures.error_p50),
        micros(figures.error_p99),
        micros(figures.error_max),
        figures.longest_burst.to_string(),
        format!("{:+.1}", figures.rate_ppm),
    ]
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::pacing::{Measured, cost::Cost, figures::Figures, receiver::Received, rows::ROWS};

    fn report() -> Report {
        let figures = Figures {
            error_p50: 1_200.0,
            error_p99: 45_000.0,
            error_max: 1e6,
            longest_burst: 2,
            rate_ppm: -3.25,
            ends_ppm: -4.0,
            within_10_ms: 1.0,
        };
        let cost = Cost { cpu_seconds: 0.5, wakeups: 180, machine_seconds: 2.0 };
        let with = Measured {
            row: &ROWS[1],
            cost: Some(cost),
            figures: Ok(figures),
            received: Received::default(),
            due: Vec::new(),
        };
        let without = Measured {
            row: &ROWS[0],
            cost: None,
            figures: Err("no fq on this kernel".into()),
            received: Received::default(),
            due: Vec::new(),
        };
        Report {
            kernel: "6.12".into(),
            cpu: "a CPU".into(),
            date: "today".into(),
            seconds: 60,
            file: "a.ts".into(),
            rows: vec![without, with],
        }
    }

    #[test]
    fn a_row_without_figures_says_why() {
        let text = report().to_string();
        let line =
            |start: &str| text.lines().find(|line| line.starts_with(start)).expect("a line").to_owned();
        assert!(line(ROWS[0].name).ends_with("no fq on this kernel"), "{text}");
        let words = line(ROWS[1].name);
        let words: Vec<&str> = words.trim_start_matches(ROWS[1].name).split_whitespace().collect();
        assert_eq!(words, ["1.2", "45.0", "1000.0", "2", "-3.2", "0.50", "2.00", "180", "0"]);
    }

    #[test]
    fn json_has_what_was_measured() {
        let json = report().json();
        assert_eq!(json["rows"][0]["not_measured"], "no fq on this kernel");
        assert_eq!(json["rows"][1]["error_p99_ns"], 45_000.0);
        assert_eq!(json["rows"][1]["wakeups"], 180);
        assert!(report().is_whole(), "a kernel without fq is no failure of the bench");
    }
}
