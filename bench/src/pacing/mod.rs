//! Pacing: senders side by side, one after the other, the same file to the same receiver; how near each packet came to
//! the time that the file's PCRs give it, and what that cost.
//!
//! Two receivers that share nothing look at each row: a socket ([`receiver`]), whose times count, and `krtp watch`
//! ([`second`]), which has to have received the same. A [`meter`] looks whether the machine stood still meanwhile.

mod clock;
pub mod cost;
pub mod delivery;
mod figures;
pub mod media;
mod meter;
pub mod receiver;
mod report;
pub mod rows;
mod second;
mod stalls;

use crate::{
    devices::{FarEnd, Namespace, Target},
    watcher::{DRAIN, Watcher},
};
use anyhow::{Context, bail, ensure};
use clap::{Args, value_parser};
use cost::Cost;
use figures::{Figures, Packet};
use jiff::Timestamp;
use meter::Meter;
use receiver::{Received, Receiver};
use rows::{ROWS, Row, Way};
use second::Second;
use stalls::Stalls;
use std::{
    env,
    fmt::Write,
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Length of the file that each sender streams
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(2..))]
    seconds: u32,
    /// Ten seconds, to see that all of it works
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// Only these senders
    #[arg(long = "row", value_name = "NAME", value_parser = rows())]
    rows: Vec<String>,
    /// Where the file and the report go
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench/pacing")]
    directory: PathBuf,
    /// Write when each packet came and when it was due, nanoseconds, as NAME.csv beside the report, and the machine's
    /// stalls as NAME-stalls.csv
    #[arg(long)]
    trace: bool,
    /// What this machine is, for the report
    #[arg(long, value_name = "TEXT", hide = true)]
    machine: Option<String>,
    /// Make the file, and do no more
    #[arg(long)]
    prepare: bool,
}

fn rows() -> clap::builder::PossibleValuesParser {
    ROWS.iter().map(|row| row.key).collect::<Vec<_>>().into()
}

/// One row's.
#[derive(Debug)]
pub struct Measured {
    /// Which.
    pub row: &'static Row,
    /// What it cost.
    pub cost: Option<Cost>,
    /// How well it kept time, or why that cannot be said.
    pub figures: Result<Figures, String>,
    /// All that came.
    pub received: Received,
    /// The same against the clock, of a row that has figures.
    pub due: Vec<Packet>,
    /// What `krtp watch` saw of it.
    pub second: Option<Second>,
    /// When the machine stood still from the first packet to the last, if that can be seen here.
    pub stalls: Option<Stalls>,
}

/// What all rows are measured with.
struct Bench<'a> {
    target: &'a Target,
    way: Way<'a>,
    socket: &'a UdpSocket,
    far_end: &'a FarEnd,
    /// The file's octets.
    file: &'a [u8],
    /// Whether the machine can be looked at.
    meters: bool,
}

/// Streams, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (begun, seconds) = (Timestamp::now(), if options.quick { 10 } else { options.seconds });
    let file = media::ensure(&options.directory, seconds, media::RATE)?;
    if options.prepare {
        return Ok(());
    }
    let krtp = env::current_exe()?.with_file_name("krtp");
    ensure!(krtp.exists(), "{} is not built: cargo build --release --package rtp-user", krtp.display());
    let octets = fs::read(&file).with_context(|| file.display().to_string())?;
    let namespace = Namespace::enter_new()?;
    let (target, socket, far_end) = namespace.ordered_receiver()?;
    let scratch = tempfile::tempdir()?;
    // All from memory: what the file lies on is not what is measured.
    let copy = scratch.path().join("pacing.ts");
    fs::copy(&file, &copy)?;
    let way = Way { krtp: &krtp, file: &copy, scratch: scratch.path(), to: target.destination };
    let nobody = nobody();
    let bench = Bench {
        target: &target,
        way,
        socket: &socket,
        far_end: &far_end,
        file: &octets,
        meters: nobody.is_ok(),
    };
    let wanted = |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|key| key == row.key);
    let mut measured = Vec::new();
    for row in ROWS.iter().filter(wanted) {
        eprintln!("krtp-bench: {} …", row.name);
        let row = bench.measure(row)?;
        if options.trace {
            trace(&row, &options.directory)?;
        }
        measured.push(row);
    }
    let machine = options.machine.clone();
    let report = report::Report::new(begun, seconds, &file, machine, nobody, measured)?;
    let json = options.directory.join("pacing.json");
    fs::write(&json, format!("{:#}\n", report.json())).with_context(|| json.display().to_string())?;
    print!("{report}");
    eprintln!("krtp-bench: the same as JSON: {}", json.display());
    ensure!(report.is_whole(), "not every sender could be measured");
    Ok(())
}

/// How long the machine is looked at while nobody sends.
const IDLE: Duration = Duration::from_secs(10);

/// How often the machine stands still by itself, or why that cannot be seen.
fn nobody() -> Result<Stalls, String> {
    eprintln!("krtp-bench: nobody …");
    let idle = Meter::start().and_then(|meter| {
        thread::sleep(IDLE);
        meter.finish()
    });
    idle.map_err(|error| format!("{error:#}"))
}

impl Measured {
    /// A row that nothing can be said of.
    fn without(row: &'static Row, why: String) -> Self {
        Self {
            row,
            cost: None,
            figures: Err(why),
            received: Received::default(),
            due: Vec::new(),
            second: None,
            stalls: None,
        }
    }

    /// The longest burst that the machine's stalls do not account for, if those can be seen here.
    fn burst_outside_stalls(&self) -> Option<usize> {
        self.stalls.as_ref().map(|stalls| stalls.longest_burst(&self.due))
    }
}

impl Bench<'_> {
    /// Lets one sender stream, and says how it went. An error is the bench's own.
    fn measure(&self, row: &'static Row) -> anyhow::Result<Measured> {
        if row.fq && !has_fq(self.target)? {
            return Ok(Measured::without(row, "no fq on this kernel".to_owned()));
        }
        let mut command = match row.command(&self.way) {
            Ok(command) => command,
            Err(error) => return Ok(Measured::without(row, format!("{error:#}"))),
        };
        let port = self.way.to.port().to_string();
        let options = ["--mode", "tc", "--port", &port];
        let watcher = self.far_end.within(|interface| Watcher::start(self.way.krtp, interface, &options))?;
        let listener = Receiver::start(self.socket)?;
        let meter = self.meters.then(Meter::start).transpose()?;
        let cost = cost::of(&mut command);
        // What the sender handed over may still wait in a qdisc.
        thread::sleep(DRAIN);
        let stalls = meter.map(Meter::finish).transpose()?;
        let received = listener.finish()?;
        let stalls = stalls.zip(received.span()).map(|(stalls, (first, last))| stalls.during(first, last));
        let second = Second::read(&watcher.finish()?);
        let due = match &cost {
            Err(error) => Err(format!("{error:#}")),
            Ok((false, _)) => Err(format!("it failed: {}", last_words(&row.log(&self.way)))),
            Ok((true, _)) => self.due(row, &received, &second).map_err(|error| format!("{error:#}")),
        };
        let figures = due.as_ref().map_err(Clone::clone);
        let figures = figures.and_then(|due| Figures::of(due).ok_or_else(|| "too few packets".to_owned()));
        let cost = cost.ok().map(|(_, cost)| cost);
        Ok(Measured {
            row,
            cost,
            figures,
            received,
            due: due.unwrap_or_default(),
            second: second.ok(),
            stalls,
        })
    }

    /// Packets with their due times, of a stream that both receivers saw alike.
    fn due(
        &self,
        row: &Row,
        received: &Received,
        second: &anyhow::Result<Second>,
    ) -> anyhow::Result<Vec<Packet>> {
        let due = delivery::packets(received, row.carries, self.file)?;
        match second {
            Ok(second) => second.agrees(received)?,
            Err(error) => bail!("{error:#}"),
        }
        Ok(due)
    }
}

/// Writes a row's packets for whoever wants to look at each.
fn trace(measured: &Measured, directory: &Path) -> anyhow::Result<()> {
    let path = directory.join(measured.row.key).with_extension("csv");
    let packets = &measured.received.packets;
    let first = packets.first().map_or(0, |packet| packet.came);
    let places = delivery::places(&measured.received);
    let mut lines = "number,came_ns,due_ns\n".to_owned();
    for (at, (packet, place)) in packets.iter().zip(places).enumerate() {
        let due = measured.due.get(at).map_or_else(String::new, |packet| format!("{:.0}", packet.due));
        writeln!(lines, "{place},{},{due}", packet.came - first)?;
    }
    fs::write(&path, lines).with_context(|| path.display().to_string())?;
    let Some(stalls) = &measured.stalls else { return Ok(()) };
    let path = directory.join(format!("{}-stalls.csv", measured.row.key));
    fs::write(&path, stalls.lines(first)).with_context(|| path.display().to_string())
}

/// Whether the kernel has the fq qdisc: it is tried, on an interface of our own.
fn has_fq(target: &Target) -> anyhow::Result<bool> {
    let tc = |words: &[&str]| {
        let mut tc = std::process::Command::new("tc");
        let output =
            tc.args(["qdisc", words[0], "dev", &target.link.name, "root"]).args(&words[1..]).output();
        output.map(|output| output.status.success()).context("cannot run tc (Debian package iproute2)")
    };
    Ok(tc(&["add", "fq"])? && tc(&["delete"])?)
}

/// The last line that a sender wrote.
pub fn last_words(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    said.lines().last().unwrap_or("it said nothing").to_owned()
}
