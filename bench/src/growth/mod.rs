//! What a packet costs as things grow: packets in a batch, flows, processor cores, and a file that is not in memory.

mod batches;
mod cold;
mod cores;
mod crowd;
mod flows;
mod memory;
mod report;
mod series;

use crate::{
    cpu,
    devices::{Namespace, UNLIMITED},
    media::Media,
    report::Conditions,
};
use clap::ValueEnum;
pub use cores::{Cores, Round};
use report::Report;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// A few rounds, to see that all of it works
    #[arg(long)]
    quick: bool,
    /// Only this; may be repeated
    #[arg(long = "only", value_name = "WHAT")]
    only: Vec<Part>,
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Packets in a batch
    Batches,
    /// Flows
    Flows,
    /// Processor cores
    Cores,
    /// Files that are not in memory
    Cold,
}

/// Size of the file, million octets.
const MEGABYTES: u32 = 128;

/// Checks, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let cpus = cpu::allowed()?;
    cpu::stay()?;
    let media = Media::random(MEGABYTES)?;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let mut report = Report::default();
    if wanted(Part::Batches) {
        report.series.extend(batches::measure(&media, if options.quick { 3 } else { 15 })?);
    }
    if wanted(Part::Flows) {
        let (series, memory) =
            flows::measure(&media, &[KERNEL, PREPARED, USER], if options.quick { 3 } else { 25 })?;
        report.series.extend(series);
        report.memory.extend(memory);
    }
    if wanted(Part::Cores) {
        report.cores = cores::measure(
            &media,
            &[KERNEL, PREPARED_OFFLOAD, USER],
            &cpus,
            if options.quick { 3 } else { 20 },
        )?;
    }
    if wanted(Part::Cold) {
        let (rounds, scale) = if options.quick { (2, 8) } else { (5, 1) };
        report.cold = cold::measure(&cpus, rounds, scale)?;
    }
    let conditions = Conditions::here(&media.part(0, crate::lane::PARTS))?;
    if options.json {
        println!("{:#}", report.json(&conditions));
    } else {
        print!("{}", report.tables(&conditions));
    }
    Ok(())
}

/// krtp's ways of sending, each on the kind of interface that matters to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    engine: Engine,
    /// Whether the interface segments.
    offload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Kernel,
    Prepared,
    User,
}

const KERNEL: Way = Way { engine: Engine::Kernel, offload: false };
const PREPARED: Way = Way { engine: Engine::Prepared, offload: false };
const PREPARED_OFFLOAD: Way = Way { engine: Engine::Prepared, offload: true };
const USER: Way = Way { engine: Engine::User, offload: false };
const WAYS: [Way; 4] = [KERNEL, PREPARED, PREPARED_OFFLOAD, USER];

/// What a packet of the kernel engine costs with 10,000 flows by what it costs with one, in each round: where one of
/// them sends, and where all do in turns.
pub fn ten_thousand_flows(media: &Media, rounds: u32) -> anyhow::Result<[Vec<f64>; 2]> {
    let series = flows::series_of(KERNEL, media, rounds)?;
    Ok(series.map(|series| series.ratios(flows::COUNTS.len() - 1)))
}

/// Two cores against one, of the kernel engine; nothing where there is but one.
pub fn two_cores(media: &Media, cpus: &[usize], rounds: u32) -> anyhow::Result<Vec<Cores>> {
    cores::measure(media, &[KERNEL], cpus, rounds)
}

impl Way {
    fn key(self) -> &'static str {
        match self {
            Self { engine: Engine::Kernel, .. } => "kernel",
            Self { engine: Engine::Prepared, offload: false } => "prepared",
            Self { engine: Engine::Prepared, offload: true } => "prepared_offload",
            Self { engine: Engine::User, .. } => "user",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self { engine: Engine::Kernel, .. } => "kernel engine",
            Self { engine: Engine::Prepared, offload: false } => "prepared file",
            Self { engine: Engine::Prepared, offload: true } => {
                "prepared file, interface with segmentation offload"
            }
            Self { engine: Engine::User, .. } => "user engine",
        }
    }

    /// Its name where there is little room.
    fn short(self) -> &'static str {
        match self {
            Self { engine: Engine::Kernel, .. } => "kernel",
            Self { engine: Engine::Prepared, offload: false } => "prepared",
            Self { engine: Engine::Prepared, offload: true } => "prepared, offload",
            Self { engine: Engine::User, .. } => "user",
        }
    }

    fn sink(self, namespace: &Namespace, number: u8) -> anyhow::Result<crate::devices::Target> {
        namespace.sink_of(number, if self.offload { UNLIMITED } else { 1 })
    }
}
