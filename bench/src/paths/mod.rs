//! The paper's table on today's kernel: every row checked, its system calls counted, then all measured in turns.

pub mod cache;
mod condition;
pub mod copies;
pub mod count;
mod curves;
pub mod formula;
pub mod machine;
mod progress;
mod results;
mod series;
mod table;
pub mod verdict;

use crate::{
    check, cpu,
    devices::{Namespace, UNLIMITED},
    media::{Media, PAYLOAD},
    page,
    rows::{Group, ROWS, Row},
};
use anyhow::{Context, ensure};
use clap::value_parser;
use condition::{Condition, Device};
use jiff::{Timestamp, Unit};
use progress::Progress;
use results::{Known, Results};
use series::{Lanes, Series};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Two sizes and few rounds, in under three minutes
    #[arg(long)]
    quick: bool,
    /// The JSON to standard output instead of the table
    #[arg(long)]
    json: bool,
    /// Only this row, and those that are named likewise
    #[arg(long = "row", value_name = "ROW")]
    rows: Vec<String>,
    /// Rounds; in each, every row sends once
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Size of the file, million octets
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(64..))]
    megabytes: u32,
    /// Where the JSON and the page go
    #[arg(long, default_value = "target/bench/paths")]
    directory: PathBuf,
}

/// Octets of payloads: the paper's range, which ends beyond the MTU.
const SIZES: [usize; 7] = [100, 500, 1000, PAYLOAD, 1460, 2900, 4000];
const QUICK_SIZES: [usize; 2] = [100, PAYLOAD];
/// Packets of a sample, if the file has as many in a seventh of it.
const PACKETS: usize = 25_000;
const PARTS: usize = 7;
/// Packets of a check at another size than the usual one.
const FEW: usize = 300;
/// Rounds with the file on disk, which is slow.
const COLD_ROUNDS: usize = 3;

/// Why rows cannot send payloads of a size.
type Refusals = BTreeMap<usize, BTreeMap<&'static str, String>>;

/// Checks, counts, measures, writes, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let rows = chosen(&options.rows)?;
    cpu::stay()?;
    let namespace = Namespace::enter_new()?;
    let media = Media::random(options.megabytes)?;
    let rounds = options.rounds.map_or(if options.quick { 5 } else { 10 }, usize::from);
    let sizes: &[usize] = if options.quick { &QUICK_SIZES } else { &SIZES };
    let refusals = check(&namespace, &media, &rows, sizes)?;
    let mut known = count(&rows, refusals.get(&PAYLOAD));
    let measurable: Vec<_> = known.iter().filter(|row| row.why_not.is_none()).map(|row| row.row).collect();
    let curves = curves::measure(&media);
    let conditions = conditions(&media, sizes, rounds, options.quick);
    let series = measure(&namespace, &media, &measurable, conditions, &refusals)?;
    look(&namespace, &media, &mut known, sizes)?;
    let results = Results {
        date: Timestamp::now().round(Unit::Second)?.to_string(),
        machine: machine::here()?,
        quick: options.quick,
        megabytes: options.megabytes,
        rounds,
        rows: known,
        series,
        curves,
    };
    show(options, &results)
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Row>> {
    for name in names {
        let all = || ROWS.iter().map(|row| row.key).collect::<Vec<_>>().join(", ");
        ensure!(ROWS.iter().any(|row| row.key == name), "--row {name}: there are {}", all());
    }
    Ok(ROWS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.key)).collect())
}

/// Runs every row at every size once through the receiver that checks.
fn check(
    namespace: &Namespace,
    media: &Media,
    rows: &[&'static Row],
    sizes: &[usize],
) -> anyhow::Result<Refusals> {
    let (target, peer) = namespace.peer(UNLIMITED)?;
    let mut refusals = Refusals::new();
    for &size in sizes {
        let media = media.cut(size)?;
        let packets = if size == PAYLOAD { check::PACKETS } else { FEW };
        for row in rows {
            if let Err(error) = check::run(row, namespace, &target, &peer, &media, packets) {
                eprintln!("krtp-bench: {}, {size} octets: left out: {error:#}", row.key);
                refusals.entry(size).or_default().insert(row.key, format!("{error:#}"));
            }
        }
    }
    eprintln!("krtp-bench: what is not left out delivers the file; counting system calls");
    Ok(refusals)
}

/// Counts what each row calls. A row of the paper's B that does not call what Table 1 says is not that row.
fn count(rows: &[&'static Row], refused: Option<&BTreeMap<&'static str, String>>) -> Vec<Known> {
    let known = |row: &&'static Row| {
        let counted = count::count(row).map_err(|error| format!("its calls are not counted: {error:#}"));
        let agrees = counted.as_ref().map_or(Ok(()), |counted| count::agrees(row, counted));
        let miscounted = agrees.err().map(|error| error.to_string());
        for said in miscounted.iter().chain(counted.as_ref().err()) {
            eprintln!("krtp-bench: {}: {said}", row.key);
        }
        let refused = refused.and_then(|refused| refused.get(row.key)).cloned();
        let not_that_row = miscounted.clone().filter(|_| row.group == Group::Existing);
        let copied = Err("it was not looked at".into());
        Known { row, why_not: refused.or(not_that_row), counted, miscounted, copied }
    };
    rows.iter().map(known).collect()
}

fn conditions(media: &Media, sizes: &[usize], rounds: usize, quick: bool) -> Vec<Condition> {
    let condition = |name, device, payload: usize| {
        let packets = PACKETS.min(media.memory.len() / payload / PARTS - series::WARM_UP);
        Condition { name, device, cold: false, payload, packets, rounds }
    };
    let mut all: Vec<_> = sizes.iter().map(|&size| condition("sizes", Device::Plain, size)).collect();
    if !quick {
        all.push(condition("offload", Device::Offload, PAYLOAD));
        all.push(condition("veth", Device::Veth, PAYLOAD));
        let cold = condition("cold", Device::Plain, PAYLOAD);
        all.push(Condition {
            cold: true,
            packets: cold.packets / 2,
            rounds: rounds.min(COLD_ROUNDS),
            ..cold
        });
    }
    all
}

fn measure(
    namespace: &Namespace,
    media: &Media,
    rows: &[&'static Row],
    conditions: Vec<Condition>,
    refusals: &Refusals,
) -> anyhow::Result<Vec<Series>> {
    let mut progress = Progress::new(conditions.iter().map(|condition| condition.rounds * rows.len()).sum());
    let mut plain = Lanes::open(namespace, rows, Device::Plain, 1)?;
    let mut series = Vec::new();
    for condition in conditions {
        let media = media.cut(condition.payload)?;
        let refused = refusals.get(&condition.payload).cloned().unwrap_or_default();
        let mut own;
        let lanes = match condition.device {
            Device::Plain => &mut plain,
            other => {
                own = Lanes::open(namespace, rows, other, 101)?;
                &mut own
            }
        };
        series.push(lanes.measure(namespace, &media, condition, refused, &mut progress)?);
    }
    progress.end();
    Ok(series)
}

/// Watches every row for copies of its payload. Not before all was timed.
fn look(namespace: &Namespace, media: &Media, known: &mut [Known], sizes: &[usize]) -> anyhow::Result<()> {
    eprintln!("krtp-bench: all is timed; looking for copies of payloads (perf)");
    let rows: Vec<_> = known.iter().filter(|row| row.why_not.is_none()).map(|row| row.row).collect();
    let mut lanes = Lanes::open(namespace, &rows, Device::Plain, 201)?;
    match copies::take(&mut lanes, namespace, media, sizes) {
        Ok(mut profiles) => {
            for row in known {
                if let Some(profiles) = profiles.remove(row.row.key) {
                    row.copied = profiles;
                }
            }
        }
        // The rest is worth showing without it.
        Err(error) => {
            eprintln!("krtp-bench: copies were not looked for: {error:#}");
            for row in known {
                row.copied = Err(format!("{error:#}"));
            }
        }
    }
    Ok(())
}

/// Writes the JSON and the page, and prints.
fn show(options: &Options, results: &Results) -> anyhow::Result<()> {
    let mut json = results.json();
    let file = results::write(&options.directory, &json)?;
    if options.json {
        println!("{json:#}");
    } else {
        print!("{}\n{}", table::table(results), page::copies(&json)?);
    }
    if let Some(before) = results::before(&options.directory, &json) {
        json["before"] = before;
    }
    let page = options.directory.join("report.html");
    fs::write(&page, page::html(&json)?).with_context(|| page.display().to_string())?;
    eprintln!("krtp-bench: the page: {}; all samples: {}", page.display(), file.display());
    Ok(())
}
