//! The comparison as a table for people and as JSON for programs.

use super::{Measured, cost::Cost, delivery, figures::Figures, stalls::Stalls};
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
    /// What else is to be known of the machine.
    machine: Option<String>,
    date: String,
    seconds: u32,
    file: String,
    /// While nobody sent, or why stalls cannot be seen.
    nobody: Result<Stalls, String>,
    rows: Vec<Measured>,
}

impl Report {
    /// Of this machine, begun at `date`.
    pub fn new(
        date: Timestamp,
        seconds: u32,
        file: &Path,
        machine: Option<String>,
        nobody: Result<Stalls, String>,
        rows: Vec<Measured>,
    ) -> anyhow::Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
        let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            kernel: uname()?.release().to_string_lossy().into_owned(),
            cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            machine,
            date: date.round(Unit::Second)?.to_string(),
            seconds,
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            nobody,
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
            "machine": self.machine,
            "date": self.date,
            "file": self.file,
            "seconds": self.seconds,
            "nobody": self.nobody.as_ref().map_or_else(|why| json!({"not_measured": why}), stalls_json),
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
    if let Some(second) = &row.second {
        value["watch"] = json!({
            "packets": second.packets,
            "lost": second.lost,
            "longest_burst": second.longest_burst,
            "error_p99_ns": second.error_p99,
            "jitter_ns": second.jitter,
        });
    }
    if let Some(stalls) = &row.stalls {
        value["stalls"] = stalls_json(stalls);
    }
    match &row.figures {
        Err(why) => value["not_measured"] = json!(why),
        Ok(figures) => {
            value["error_p50_ns"] = json!(figures.error_p50);
            value["error_p99_ns"] = json!(figures.error_p99);
            value["error_max_ns"] = json!(figures.error_max);
            value["longest_burst"] = json!(figures.longest_burst);
            value["longest_burst_outside_stalls"] = json!(row.burst_outside_stalls());
            value["rate_ppm"] = json!(figures.rate_ppm);
            value["ends_ppm"] = json!(figures.ends_ppm);
            value["within_10_ms"] = json!(figures.within_10_ms);
        }
    }
    value
}

fn stalls_json(stalls: &Stalls) -> Value {
    json!({
        "seconds": stalls.seconds,
        "count": stalls.count(),
        "per_second": stalls.per_second(),
        "longest_ns": stalls.longest(),
        "total_ns": stalls.total(),
    })
}

const TITLES: [&str; 11] = [
    "sender",
    "p50 us",
    "p99 us",
    "max us",
    "burst",
    "burst*",
    "rate ppm",
    "CPU s",
    "all CPU s",
    "wake-ups",
    "packets",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine.as_ref().unwrap_or(&self.cpu);
        let Self { seconds, file, kernel, date, .. } = self;
        writeln!(f, "{seconds} s of {file} each, Linux {kernel}, {machine}, {date}\n")?;
        let width = self.width();
        line(f, width, TITLES[0], &TITLES[1..])?;
        for row in &self.rows {
            match (&row.figures, &row.cost) {
                (Ok(figures), Some(cost)) => {
                    let cells = cells(row, figures, cost, self.doubts(row));
                    line(f, width, row.row.name, &cells)?;
                }
                (Err(why), _) => writeln!(f, "{:<width$}  {why}", row.row.name)?,
                (Ok(_), None) => writeln!(f, "{:<width$}  its cost is not known", row.row.name)?,
            }
        }
        writeln!(f, "\n{LEGEND}\n{}\n", self.without_bursts())?;
        self.fmt_machine(f, width)
    }
}

impl Report {
    fn width(&self) -> usize {
        let names = self.rows.iter().map(|row| row.row.name);
        names.chain([TITLES[0]]).map(str::len).max().unwrap_or_default()
    }

    /// Who let no more than two packets come close to each other.
    fn without_bursts(&self) -> String {
        let smooth = |row: &&Measured| row.figures.as_ref().is_ok_and(|figures| figures.longest_burst <= 2);
        let names: Vec<_> = self.rows.iter().filter(smooth).map(|row| row.row.name).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join("; ") };
        format!("No burst of more than two, stalls or not: {names}.")
    }

    /// The second table: what the machine did meanwhile, and what the second receiver saw.
    fn fmt_machine(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        line(f, width, MACHINE_TITLES[0], &MACHINE_TITLES[1..])?;
        if let Ok(nobody) = &self.nobody {
            line(f, width, "nobody", &stall_cells(Some(nobody)))?;
        }
        for row in self.rows.iter().filter(|row| row.cost.is_some()) {
            let seen = row.second.map_or_else(
                || ["-"; 4].map(str::to_owned),
                |second| {
                    let [packets, lost, burst] =
                        [second.packets, second.lost, second.longest_burst].map(|count| count.to_string());
                    [packets, lost, burst, micros(second.error_p99 as f64)]
                },
            );
            line(f, width, row.row.name, &[&stall_cells(row.stalls.as_ref())[..], &seen].concat())?;
        }
        writeln!(f, "\n{MACHINE_LEGEND}")?;
        if let Err(why) = &self.nobody {
            writeln!(f, "No stalls and no burst* here: the meter has to go first, and may not: {why}.")?;
        }
        for row in self.rows.iter().filter(|row| self.doubts(row)) {
            writeln!(f, "{}: {MORE}", row.row.name)?;
        }
        Ok(())
    }

    /// Whether a row's stalls may be of its sender's own making.
    fn doubts(&self, row: &Measured) -> bool {
        let both = row.stalls.as_ref().zip(self.nobody.as_ref().ok());
        both.is_some_and(|(stalls, nobody)| stalls.are_more_than(nobody))
    }
}

/// A line of a table.
fn line(f: &mut fmt::Formatter<'_>, width: usize, name: &str, cells: &[impl fmt::Display]) -> fmt::Result {
    write!(f, "{name:<width$}")?;
    for cell in cells {
        write!(f, "  {cell:>9}")?;
    }
    writeln!(f)
}

const LEGEND: &str = "\
p50, p99, max: how far gaps between packets are from the gaps that the PCRs ask for. burst: most packets in a row
that came closer than half of that. rate: against the PCRs, by the line nearest to all packets. CPU: the sender's own,
user and system; all CPU: of everything on the machine meanwhile. wake-ups: its voluntary context switches.
burst*: the same, without bursts that a stall of the machine accounts for; (in brackets) if the sender may have made it
stall.";

const MACHINE_TITLES: [&str; 9] =
    ["sender", "stalls", "a second", "longest ms", "all ms", "watch:", "lost", "burst", "p99 us"];

const MACHINE_LEGEND: &str = "\
stalls: how often, from the first packet to the last, a thread of highest priority, one on each processor, that is to
wake each millisecond woke more than 2 ms late: the machine stood still, or the kernel did not part from what it did.
A burst is accounted for if it came in or right behind stalls that lasted as long as its packets; nobody: the machine
by itself, for ten seconds. watch: packets that krtp watch saw come in at the receiver's interface, missing ones, and
burst and p99 against their RTP timestamps.";

const MORE: &str =
    "many more stalls than while nobody sent: its own work may hold the machine up, and burst* excuse it.";

fn micros(nanos: f64) -> String {
    format!("{:.1}", nanos / 1e3)
}

fn millis(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e6)
}

fn cells(row: &Measured, figures: &Figures, cost: &Cost, doubtful: bool) -> [String; 10] {
    let outside = row.burst_outside_stalls().map_or_else(|| "-".to_owned(), |burst| burst.to_string());
    [
        micros(figures.error_p50),
        micros(figures.error_p99),
        micros(figures.error_max),
        figures.longest_burst.to_string(),
        if doubtful { format!("({outside})") } else { outside },
        format!("{:+.1}", figures.rate_ppm),
        format!("{:.2}", cost.cpu_seconds),
        format!("{:.2}", cost.machine_seconds),
        cost.wakeups.to_string(),
        row.received.packets.len().to_string(),
    ]
}

fn stall_cells(stalls: Option<&Stalls>) -> [String; 4] {
    stalls.map_or_else(
        || ["-"; 4].map(str::to_owned),
        |stalls| {
            let (longest, all) = (millis(stalls.longest()), millis(stalls.total()));
            [stalls.count().to_string(), format!("{:.2}", stalls.per_second()), longest, all]
        },
    )
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::pacing::{
        Measured,
        cost::Cost,
        figures::Figures,
        receiver::Received,
        rows::ROWS,
        second::Second,
        stalls::{Stall, Stalls},
    };

    /// So many of 5 ms, in ten seconds.
    fn stalls(count: u64) -> Stalls {
        let stall = |number| Stall { from: number * 20_000_000, to: number * 20_000_000 + 5_000_000 };
        Stalls::new((0..count).map(stall).collect(), 10.0)
    }

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
        let cost = Cost { cpu_seconds: 0.5, user_seconds: 0.1, wakeups: 180, machine_seconds: 2.0 };
        let with = Measured {
            row: &ROWS[1],
            cost: Some(cost),
            figures: Ok(figures),
            received: Received::default(),
            due: Vec::new(),
            second: Some(Second { packets: 9, lost: 1, longest_burst: 3, error_p99: 50_000, jitter: 7.0 }),
            stalls: Some(stalls(40)),
        };
        let without = Measured::without(&ROWS[0], "no fq on this kernel".into());
        Report {
            kernel: "6.12".into(),
            cpu: "a CPU".into(),
            machine: None,
            date: "today".into(),
            seconds: 60,
            file: "a.ts".into(),
            nobody: Ok(stalls(1)),
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
        assert_eq!(words, ["1.2", "45.0", "1000.0", "2", "(1)", "-3.2", "0.50", "2.00", "180", "0"]);
        assert!(line("No burst").ends_with(&format!("or not: {}.", ROWS[1].name)), "{text}");
        let mut report = report();
        report.rows[1].figures.as_mut().unwrap().longest_burst = 3;
        assert!(report.to_string().contains("or not: nobody."));
    }

    #[test]
    fn the_machine_s_own_stalls_stand_beside_each_row_s() {
        let mut report = report();
        let text = report.to_string();
        let (_, second) = text.split_once("a second").expect("the second table");
        let rows: Vec<Vec<&str>> =
            second.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["nobody", "1", "0.10", "5.0", "5.0"]);
        assert!(rows[1].ends_with(&["40", "4.00", "5.0", "200.0", "9", "1", "3", "50.0"]), "{text}");
        assert!(text.contains(&format!("{}: many more stalls", ROWS[1].name)), "{text}");
        report.nobody = Err("SCHED_FIFO: EPERM".into());
        report.rows[1].stalls = None;
        let text = report.to_string();
        assert!(text.contains("may not: SCHED_FIFO: EPERM.") && !text.contains("many more"), "{text}");
    }

    #[test]
    fn json_has_what_was_measured() {
        let json = report().json();
        assert_eq!(json["rows"][0]["not_measured"], "no fq on this kernel");
        assert_eq!(json["rows"][1]["error_p99_ns"], 45_000.0);
        assert_eq!(json["rows"][1]["wakeups"], 180);
        assert_eq!(json["rows"][1]["stalls"]["longest_ns"], 5_000_000);
        assert_eq!(json["rows"][1]["longest_burst_outside_stalls"], 1);
        assert_eq!(json["rows"][1]["watch"]["lost"], 1);
        assert_eq!(json["nobody"]["count"], 1);
        assert!(report().is_whole(), "a kernel without fq is no failure of the bench");
    }
}
