//! Every bar in one run: what krtp is to be as fast as, and whether it is.

mod bars;
mod others;
mod report;

use crate::{
    bystander, check, cpu,
    devices::{Namespace, UNLIMITED},
    growth,
    lane::{self, Lane, PARTS},
    media::Media,
    report::Conditions,
    rows::{Row, krtpsendfile, prepared, read_writev, rtp_sendfile, user_gso},
    stats::ratios,
};
use anyhow::Context;
use bars::{Bar, Figure};
use report::Report;
use std::path::PathBuf;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// A few rounds and fewer streams, to see that all of it works
    #[arg(long)]
    quick: bool,
    /// Where files and the parts' reports go
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench/speed")]
    directory: PathBuf,
}

/// Size of the file, million octets.
const MEGABYTES: u32 = 256;

/// What two cores are to send, of what one does.
const CORES: f64 = 1.8;

/// A row on a kind of interface.
struct Entry {
    row: &'static Row,
    offload: bool,
}

/// What the first two groups of bars compare.
const ENTRIES: [Entry; 7] = [
    Entry { row: &krtpsendfile::ROW, offload: false },
    Entry { row: &rtp_sendfile::ROW, offload: false },
    Entry { row: &read_writev::ROW, offload: false },
    Entry { row: &user_gso::ROW, offload: false },
    Entry { row: &prepared::ROW, offload: false },
    Entry { row: &prepared::ROW, offload: true },
    Entry { row: &user_gso::ROW, offload: true },
];
/// How many of [`ENTRIES`] are rows by themselves; the others are the same on another interface.
const ROWS: usize = 5;

/// Checks, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let cpus = cpu::allowed()?;
    // First what takes whole processes, which may use all processors.
    let mut bars = others::peers(options)?;
    bars.extend(others::paced(options)?);
    cpu::stay()?;
    let media = Media::random(MEGABYTES)?;
    let rounds = if options.quick { 3 } else { 40 };
    let mut all = rows(&media, rounds)?;
    all.append(&mut bars);
    all.extend(grown(&media, &cpus, if options.quick { 3 } else { 25 })?);
    all.push(bystander(rounds)?);
    let report = Report { bars: all, conditions: Conditions::here(&media.part(0, PARTS))? };
    if options.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// krtp against other ways to send the same file.
fn rows(media: &Media, rounds: u32) -> anyhow::Result<Vec<Bar>> {
    let namespace = Namespace::enter_new()?;
    let (target, peer) = namespace.peer(UNLIMITED)?;
    for Entry { row, .. } in &ENTRIES[..ROWS] {
        check::run(row, &namespace, &target, &peer, media, check::PACKETS)
            .with_context(|| format!("no figures: {} does not deliver", row.key))?;
    }
    let mut lanes = Vec::new();
    for (number, Entry { row, offload }) in (1..).zip(&ENTRIES) {
        let target = namespace.sink_of(number, if *offload { UNLIMITED } else { 1 })?;
        let sender = (row.open)(&namespace, &target, media).with_context(|| row.key)?;
        lanes.push(Lane { name: row.key.into(), target, sender });
    }
    eprintln!("krtp-bench: every row delivers the file; measuring {rounds} rounds");
    let samples = lane::in_turns(&mut lanes, media, rounds)?;
    let of = |place: usize| samples.iter().map(|round| round[place]).collect::<Vec<_>>();
    // Places among the entries.
    let [raw, rtp_sendfile, read_writev, user_gso, prepared, prepared_offload, user_gso_offload] =
        std::array::from_fn(|place| place);
    let by = |ours, theirs| Figure::of(ratios(&of(ours), &of(theirs)));
    Ok(vec![
        Bar::at_most("raw_by_rtp_sendfile", "raw file / rtp_sendfile", 0.20, by(raw, rtp_sendfile)),
        Bar::at_most("raw_by_read_writev", "raw file / read_writev", 0.22, by(raw, read_writev)),
        Bar::at_most("raw_by_user_gso", "raw file / user GSO", 1.1, by(raw, user_gso)).goal(1.0),
        Bar::at_most(
            "prepared_by_user_gso_offload",
            "prepared / user GSO, offload",
            0.6,
            by(prepared_offload, user_gso_offload),
        )
        .goal(0.4),
        Bar::at_most("prepared_by_user_gso", "prepared / user GSO, no offload", 0.9, by(prepared, user_gso)),
    ])
}

/// Many flows, and two cores.
fn grown(media: &Media, cpus: &[usize], rounds: u32) -> anyhow::Result<Vec<Bar>> {
    let [one_sends, in_turns] = growth::ten_thousand_flows(media, rounds)?;
    let mut bars = vec![
        Bar::at_most("flows_registered", "10,000 flows / 1, one sends", 1.2, Figure::of(one_sends)),
        Bar::at_most("flows_in_turns", "10,000 flows / 1, all send", 1.2, Figure::of(in_turns)),
    ];
    let cores = growth::two_cores(media, cpus, rounds)?;
    if cores.is_empty() {
        let figure = Figure::Missing("only one processor may be used".into());
        bars.push(Bar::at_least("cores", "2 cores / 1", CORES, figure));
    }
    bars.extend(cores.into_iter().map(|cores| {
        let of = |of: fn(&growth::Round) -> f64| Figure::of(cores.rounds.iter().map(of).collect());
        let title = format!("2 cores / 1: {}", cores.title);
        let bar = Bar::at_least(&format!("cores_{}", cores.key), &title, CORES, of(|round| round.by_time));
        bar.also("by_processor_time", of(|round| round.by_cpu))
    }));
    Ok(bars)
}

/// Who has nothing to do with it.
fn bystander(rounds: u32) -> anyhow::Result<Bar> {
    let namespace = Namespace::enter_new()?;
    let pair = [namespace.sink(100)?, namespace.sink(101)?];
    let samples = bystander::sending(&namespace, &pair, rounds)?;
    let more = samples.iter().map(|sample| sample.attached - sample.unattached).collect();
    Ok(Bar::at_most("bystander_ns", "a bystander's packet, ns more", 30.0, Figure::of(more)))
}
