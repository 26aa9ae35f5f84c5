//! What a packet costs as things grow: packets in a batch, flows, processor cores, and a file that is not in memory.

mod batches;
mod cores;
mod crowd;
mod flows;
mod memory;
mod report;

use crate::{
    cpu,
    devices::{Namespace, UNLIMITED},
    media::Media,
    report::Conditions,
};
use clap::ValueEnum;
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
        let (series, memory) = flows::measure(&media, &flows::ways(), if options.quick { 3 } else { 25 })?;
        report.series.extend(series);
        report.memory.extend(memory);
    }
    if wanted(Part::Cores) {
        report.cores = cores::measure(&media, &cpus, if options.quick { 3 } else { 20 })?;
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

const WAYS: [Way; 4] = [
    Way { engine: Engine::Kernel, offload: false },
    Way { engine: Engine::Prepared, offload: false },
    Way { engine: Engine::Prepared, offload: true },
    Way { engine: Engine::User, offload: false },
];

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
