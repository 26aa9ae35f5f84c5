//! What a run found, and how it is written down: `paths.json`. All samples are in it, and nothing derived.

use super::{
    copies::Profile,
    count::{Counted, PACKETS},
    curves::Curves,
    series::Series,
};
use crate::{
    cpu::Cost,
    rows::{Group, Row},
};
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is known of a row without its samples.
#[derive(Debug)]
pub struct Known {
    pub row: &'static Row,
    /// Why it is not measured.
    pub why_not: Option<String>,
    /// Or why that is not known.
    pub counted: Result<Counted, String>,
    /// What the count says against the formula.
    pub miscounted: Option<String>,
    /// What was seen of its copies; or why nothing was.
    pub copied: Result<Vec<Profile>, String>,
}

/// A whole run.
#[derive(Debug)]
pub struct Results {
    /// RFC 3339.
    pub date: String,
    pub machine: Value,
    pub quick: bool,
    pub megabytes: u32,
    pub rounds: usize,
    pub rows: Vec<Known>,
    pub series: Vec<Series>,
    pub curves: Curves,
}

impl Results {
    /// As `paths.json` has it.
    pub fn json(&self) -> Value {
        json!({
            "schema": 1,
            "date": self.date,
            "quick": self.quick,
            "machine": self.machine,
            "megabytes": self.megabytes,
            "rounds": self.rounds,
            "rows": self.rows.iter().map(known).collect::<Vec<_>>(),
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
            "curves": curves(&self.curves),
        })
    }
}

/// Writes `results` into `directory`. A run before it on the same machine and kernel, and as long, stays beside it as
/// `paths-before.json`. Where the file is.
pub fn write(directory: &Path, results: &Value) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let file = directory.join("paths.json");
    let before = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    if before.is_some_and(|before| is_comparable(&before, results)) {
        fs::rename(&file, directory.join(BEFORE)).context("keeping the run before")?;
    }
    fs::write(&file, format!("{results:#}\n")).with_context(|| file.display().to_string())?;
    Ok(file)
}

/// The run before, if there is one that this one can be compared with.
pub fn before(directory: &Path, results: &Value) -> Option<Value> {
    let text = fs::read(directory.join(BEFORE)).ok()?;
    serde_json::from_slice(&text).ok().filter(|before| is_comparable(before, results))
}

const BEFORE: &str = "paths-before.json";

fn is_comparable(before: &Value, now: &Value) -> bool {
    ["/schema", "/quick", "/machine/kernel", "/machine/cpu", "/machine/cores"]
        .iter()
        .all(|at| before.pointer(at).is_some() && before.pointer(at) == now.pointer(at))
}

fn known(known: &Known) -> Value {
    let Known { row, why_not, counted, miscounted, copied } = known;
    let mut value = json!({
        "key": row.key,
        "group": group(row.group),
        "added": row.added,
        "calls": row.calls,
        "copies": row.copies,
        "does": row.does,
        "cost": row.cost,
        "differs": row.differs,
        "delivers": why_not.is_none(),
        "why_not": why_not,
        "counted": null,
        "copied": null,
    });
    match counted {
        Ok(counted) => {
            value["counted"] = json!({
                "per_packet": counted.per_packet,
                "by_call": counted.by_call,
                "packets": PACKETS,
                "how": "strace -c",
            });
        }
        Err(why) => value["not_counted"] = json!(why),
    }
    match copied {
        Ok(profiles) => value["copied"] = json!({ "how": "perf, cpu-clock", "profiles": profiles }),
        Err(why) => value["not_copied"] = json!(why),
    }
    if let Some(miscounted) = miscounted {
        value["miscounted"] = json!(miscounted);
    }
    value
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Download => "download",
        Group::Existing => "existing",
        Group::Enhanced => "enhanced",
        Group::Today => "today",
    }
}

fn series(series: &Series) -> Value {
    let Series { condition, samples, notices, left_out } = series;
    let sample =
        |cost: &Cost| json!({ "user_ns": cost.user, "system_ns": cost.system, "wall_ns": cost.wall });
    let samples: Map<_, _> = samples
        .iter()
        .map(|(key, samples)| ((*key).to_owned(), samples.iter().map(sample).collect()))
        .collect();
    json!({
        "name": condition.name,
        "device": condition.device.words(),
        "cache": if condition.cold { "cold" } else { "warm" },
        "payload": condition.payload,
        "packets_per_sample": condition.packets,
        "samples": samples,
        "notices": notices,
        "left_out": left_out,
    })
}

fn curves(curves: &Curves) -> Value {
    let memcpy = curves.memcpy.iter();
    let memcpy =
        memcpy.map(|point| json!({ "octets": point.octets, "ns": point.cold, "warm_ns": point.warm }));
    json!({ "memcpy": memcpy.collect::<Vec<_>>(), "null_call": { "ns": curves.null_call } })
}

#[cfg(test)]
pub mod tests {
    use super::{Known, Results, before, write};
    use crate::{
        cpu::Cost,
        page,
        paths::{
            condition::{Condition, Device},
            copies::Profile,
            count::Counted,
            curves::{Copying, Curves},
            series::Series,
        },
        rows::{Notices, ROWS, Row},
    };
    use serde_json::json;
    use std::collections::BTreeMap;

    /// All rows at two sizes, a made-up time each: by its place, and by the round.
    pub fn results() -> Results {
        let cost = |ns: f64| Cost { user: ns / 4.0, system: ns * 3.0 / 4.0, wall: ns + 10.0 };
        let samples = || {
            let of =
                |place: usize| [1.0, 2.0, 1.5].map(|mood| cost((1000 + 100 * place) as f64 * mood)).to_vec();
            ROWS.iter().enumerate().map(|(place, row)| (row.key, of(place))).collect::<BTreeMap<_, _>>()
        };
        let series = |payload| Series {
            condition: Condition {
                name: "sizes",
                device: Device::Plain,
                cold: false,
                payload,
                packets: 1000,
                rounds: 3,
            },
            samples: samples(),
            notices: BTreeMap::from([("kmsend", Notices { sends: 100, copied: 0 })]),
            left_out: BTreeMap::new(),
        };
        let mut large = series(4000);
        large.samples.remove("user_gso");
        large.left_out.insert("user_gso", "UDP_SEGMENT takes no packet larger than the MTU".into());
        // As claimed: a tenth of all time in each copy.
        let copied = |row: &Row| {
            let profile = |payload, hits| {
                let at = row.copies.iter().map(|place| (*place, hits)).collect();
                Profile { payload, samples: 10_000, at }
            };
            vec![profile(1316, 100), profile(4000, 1_000)]
        };
        let counted = |row: &Row| Counted {
            per_packet: crate::paths::formula::per_packet(row.calls).expect("a formula"),
            by_call: BTreeMap::from([("sendto".to_owned(), 1.0)]),
        };
        let known = |row| {
            let (counted, copied) = (Ok(counted(row)), Ok(copied(row)));
            Known { row, why_not: None, counted, miscounted: None, copied }
        };
        Results {
            date: "2026-11-23T00:00:00Z".into(),
            machine: json!({ "kernel": "6.18", "cpu": "a CPU", "cores": 2, "memory_bytes": 1, "krtp": "0.1.0" }),
            quick: true,
            megabytes: 64,
            rounds: 3,
            rows: ROWS.iter().map(known).collect(),
            series: vec![series(1316), large],
            curves: Curves {
                memcpy: vec![Copying { octets: 100, cold: vec![9.0], warm: vec![5.0] }],
                null_call: vec![70.0],
            },
        }
    }

    #[test]
    fn the_page_reads_what_is_written() {
        let page = page::html(&results().json()).expect("a page");
        for row in ROWS {
            assert!(page.contains(row.key), "{}", row.key);
        }
    }

    #[test]
    fn json_has_every_sample() {
        let json = results().json();
        let sample = &json["series"][0]["samples"]["read_write"][1];
        assert_eq!((&sample["user_ns"], &sample["system_ns"]), (&json!(500.0), &json!(1500.0)));
        assert_eq!(
            json["series"][1]["left_out"]["user_gso"],
            "UDP_SEGMENT takes no packet larger than the MTU"
        );
        assert_eq!(json["rows"][0]["counted"]["per_packet"], 2.0);
        assert_eq!(json["curves"]["memcpy"][0]["ns"][0], 9.0);
    }

    #[test]
    fn the_run_before_is_kept_if_it_was_of_this_machine() {
        let directory = tempfile::tempdir().expect("a directory");
        let (first, mut other) = (results().json(), results().json());
        write(directory.path(), &first).expect("written");
        assert_eq!(before(directory.path(), &first), None);
        write(directory.path(), &first).expect("written");
        assert_eq!(before(directory.path(), &first).as_ref(), Some(&first));
        other["machine"]["kernel"] = json!("6.19");
        assert_eq!(before(directory.path(), &other), None);
    }
}
