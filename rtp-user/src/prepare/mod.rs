//! `krtp prepare`: a copy of a file in which each payload stands behind its RTP
//! header, the cheapest to send to many viewers.

pub mod cache;
mod error;
mod part;
mod write;

pub use error::PrepareError;
pub use write::Original;

use crate::{
    cli::{headers::Headers, values::parse_pace},
    media::{
        library::{self, Library},
        prepared::{Copy, format::Numbers, is_prepared},
    },
    pace::Pace,
    print::print,
    probe,
    stop::{GoOn, Stop},
};
use anyhow::{Context as _, Result, ensure};
use bytesize::ByteSize;
use cache::Cache;
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use rand::Rng as _;
use serde::Serialize;
use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

/// Octets that a cache of copies may take where nobody says.
pub const CACHE_SIZE: &str = "20GiB";

/// Options of `krtp prepare`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The media file; with --check, the prepared one
    pub file: PathBuf,
    /// Where to write the copy [default: FILE.krtp]
    #[arg(short, long, value_name = "OUT", conflicts_with = "cache")]
    pub output: Option<PathBuf>,
    /// Keep the copy in this directory, where `krtp stream --cache DIR` finds it
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// What all copies there may take; those first that were used least recently are removed
    #[arg(long, value_name = "SIZE", default_value = CACHE_SIZE, requires = "cache")]
    pub cache_size: ByteSize,
    /// Read a prepared file and say whether all of it is as it was written
    #[arg(long, conflicts_with_all = ["output", "cache"])]
    pub check: bool,
    /// `pcr`: timestamps by the file's own clock; `none`: all alike where it has none; or by payload bits
    /// per second (not for audio)
    #[arg(long, value_name = "pcr|none|BITRATE", default_value = "pcr", value_parser = parse_pace)]
    pub pace: Pace,
    /// What packets hold, and what their headers say
    #[command(flatten)]
    pub headers: Headers,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What was prepared, or checked. `--json` prints exactly these fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The copy.
    pub copy: String,
    /// What it is a copy of.
    pub source: String,
    /// Octets of the copy.
    pub octets: u64,
    /// Packets in it.
    pub packets: u64,
    /// Octets of a full payload.
    pub payload: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Hz.
    pub clock_rate: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// Its timestamp.
    pub first_timestamp: u32,
}

/// Prepares or checks, and reports.
pub fn run(arguments: &Arguments) -> Result<()> {
    let bar = probe::bar(arguments.json);
    let mut progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    let copy = if arguments.check {
        let copy = Copy::open(&arguments.file)?;
        copy.check_source()?;
        copy.check_all(&mut progress)?;
        copy
    } else {
        let stop = Stop::default();
        stop.at_signals().context("cannot listen to signals")?;
        prepare(arguments, &mut |done, of| {
            progress(done, of);
            !stop.is_set()
        })?
    };
    bar.finish_and_clear();
    let report = Report::of(&copy);
    print(&if arguments.json { serde_json::to_string(&report)? + "\n" } else { report.to_string() })?;
    Ok(())
}

fn prepare(arguments: &Arguments, go_on: &mut GoOn<'_>) -> Result<Copy> {
    let Arguments { file, pace, headers, .. } = arguments;
    ensure!(!is_prepared(file), "{} is prepared already: name the media file", file.display());
    let original = Original::open(file, &headers.wish(), *pace)?;
    let random = Numbers::random();
    let numbers = Numbers {
        ssrc: headers.ssrc.unwrap_or(random.ssrc),
        sequence: headers.seq.unwrap_or(random.sequence),
        timestamp: headers.timestamp.unwrap_or(random.timestamp),
    };
    let library = Library::new(library::Cache::of_user()?);
    let copy = if let Some(directory) = &arguments.cache {
        let cache = Cache { directory: directory.clone(), limit: arguments.cache_size.0 };
        cache.copy(original, numbers, &library, go_on)?
    } else {
        let path = arguments.output.clone().unwrap_or_else(|| beside(file));
        ensure!(
            !path.exists() || is_prepared(&path),
            "{} is there and no prepared file: give another name with -o",
            path.display()
        );
        original.write(&path, numbers, &library, go_on)?;
        Copy::open(&path)?
    };
    library.keep();
    Ok(copy)
}

/// Where the copy of `file` goes if nobody says.
fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".krtp");
    name.into()
}

impl Numbers {
    /// As RFC 3550 §5.1 wants them.
    pub fn random() -> Self {
        let mut random = rand::rng();
        Self { ssrc: random.random(), sequence: random.random(), timestamp: random.random() }
    }
}

impl Report {
    fn of(copy: &Copy) -> Self {
        let head = copy.head();
        Self {
            copy: copy.path().display().to_string(),
            source: head.source.display().to_string(),
            octets: copy.identity().size,
            packets: copy.plan().packets(),
            payload: head.kind.payload,
            payload_type: head.kind.payload_type,
            clock_rate: head.kind.clock_rate,
            ssrc: head.numbers.ssrc,
            first_sequence: head.numbers.sequence,
            first_timestamp: head.numbers.timestamp,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { copy, source, octets, packets, payload, ssrc, first_sequence, first_timestamp, .. } = self;
        writeln!(f, "{copy}: {} packets of {payload} octets, {}", HumanCount(*packets), HumanBytes(*octets))?;
        writeln!(f, "  of {source}")?;
        writeln!(f, "  ssrc 0x{ssrc:08x}, sequence from {first_sequence}, timestamp from {first_timestamp}")
    }
}
