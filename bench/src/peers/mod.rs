//! Senders as people run them: whole processes that send one transport stream, round by round, and what each costs from
//! its start to its end.

mod rows;

use crate::{
    devices::{Namespace, Target, UNLIMITED},
    pacing::{
        cost,
        delivery::{self, Carries},
        last_words, media,
        receiver::Receiver,
        rows::Way,
    },
    page::{self, Peer, Peers, Sample},
    paths::machine,
    watcher::DRAIN,
};
use anyhow::{Context, ensure};
use clap::value_parser;
use jiff::{Timestamp, Unit};
use rows::{ROWS, Row};
use rtp_common::header::LEN;
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rounds; in each, every sender sends once
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of the file of those who send as fast as they can
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(2..=600))]
    seconds: u32,
    /// Length of the file of those who keep to its time
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(2..=600))]
    paced_seconds: u32,
    /// Megabits per second of both
    #[arg(long, default_value_t = 40, value_parser = value_parser!(u32).range(1..=40))]
    rate: u32,
    /// The JSON to standard output instead of the table
    #[arg(long)]
    json: bool,
    /// Only these senders
    #[arg(long = "row", value_name = "NAME", value_parser = names())]
    rows: Vec<String>,
    /// Where the files, the JSON and the page go
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench/peers")]
    directory: PathBuf,
}

fn names() -> clap::builder::PossibleValuesParser {
    ROWS.iter().map(|row| row.key).collect::<Vec<_>>().into()
}

/// Of a file's octets so many arrive at least: who makes the multiplex anew leaves null packets out, and VLC the end.
const MOST: f64 = 0.7;

/// A sender, its file and its way to nowhere.
struct Lane {
    row: &'static Row,
    file: PathBuf,
    target: Target,
    peer: Peer,
}

/// Checks, measures, writes, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let krtp = env::current_exe()?.with_file_name("krtp");
    ensure!(krtp.exists(), "{} is not built: cargo build --release --package rtp-user", krtp.display());
    let scratch = tempfile::tempdir()?;
    // All from memory: what the file lies on is not what is measured.
    let file = |seconds: u32, name: &str| -> anyhow::Result<PathBuf> {
        let made = media::ensure(&options.directory, seconds, options.rate)?;
        let copy = scratch.path().join(name);
        fs::copy(&made, &copy).with_context(|| made.display().to_string())?;
        Ok(copy)
    };
    let (whole, short) = (file(options.seconds, "file.ts")?, file(options.paced_seconds, "short.ts")?);
    let namespace = Namespace::enter_new()?;
    let wanted = |row: &&Row| options.rows.is_empty() || options.rows.iter().any(|key| key == row.key);
    let mut lanes = Vec::new();
    for (number, row) in (1..).zip(ROWS.iter().filter(wanted)) {
        let target = namespace.sink_of(number, if row.offload { UNLIMITED } else { 1 })?;
        let (file, seconds) =
            if row.paced { (&short, options.paced_seconds) } else { (&whole, options.seconds) };
        let way = Way { krtp: &krtp, file, scratch: scratch.path(), to: target.destination };
        let peer = peer(row, &way, seconds)?;
        (row.prepare)(&way).with_context(|| row.name)?;
        lanes.push(Lane { row, file: file.clone(), target, peer });
    }
    check(&namespace, &krtp, &short, scratch.path(), &mut lanes)?;
    for round in 1..=options.rounds {
        for lane in lanes.iter_mut().filter(|lane| lane.peer.delivers) {
            eprintln!("krtp-bench: round {round} of {}: {} …", options.rounds, lane.row.name);
            let way =
                Way { krtp: &krtp, file: &lane.file, scratch: scratch.path(), to: lane.target.destination };
            let sample = sample(lane, &way)?;
            lane.peer.samples.push(sample);
        }
    }
    show(options, lanes.into_iter().map(|lane| lane.peer).collect())
}

/// A sender of which nothing is known yet.
fn peer(row: &Row, way: &Way, seconds: u32) -> anyhow::Result<Peer> {
    let command = (row.command)(way).map(|command| rows::shown(&command));
    Ok(Peer {
        key: row.key.to_owned(),
        name: row.name.to_owned(),
        version: version(row),
        delivers: command.is_ok(),
        why_not: command.as_ref().err().map(|error| format!("{error:#}")),
        command: command.unwrap_or_default(),
        paced: row.paced,
        offload: row.offload,
        note: row.note.to_owned(),
        seconds,
        octets: fs::metadata(way.file)?.len(),
        samples: Vec::new(),
    })
}

/// Its version by Debian's lists, which all have in one form.
fn version(row: &Row) -> String {
    let Some(package) = row.package else { return format!("krtp {}", env!("CARGO_PKG_VERSION")) };
    let said = Command::new("dpkg-query").args(["--show", "--showformat", "${Version}", package]).output();
    let version = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    format!("{package} {version}").trim().to_owned()
}

/// Lets each send the short file to a receiver that looks at every octet. Who does not deliver is not measured.
fn check(
    namespace: &Namespace,
    krtp: &Path,
    file: &Path,
    scratch: &Path,
    lanes: &mut [Lane],
) -> anyhow::Result<()> {
    let octets = fs::read(file)?;
    let (target, socket, _far_end) = namespace.ordered_receiver()?;
    for lane in lanes.iter_mut().filter(|lane| lane.peer.delivers) {
        eprintln!("krtp-bench: {}: does it deliver? …", lane.row.name);
        let way = Way { krtp, file, scratch, to: target.destination };
        (lane.row.prepare)(&way).with_context(|| lane.row.name)?;
        let (mut command, log) = lane.row.ready(&way)?;
        let listener = Receiver::start(&socket)?;
        let ended = cost::of(&mut command);
        thread::sleep(DRAIN);
        let received = listener.finish()?;
        let right = match ended {
            Ok((true, _)) => delivery::packets(&received, lane.row.carries, &octets).map(drop),
            Ok((false, _)) => Err(anyhow::anyhow!("it failed: {}", last_words(&log))),
            Err(error) => Err(error),
        };
        if let Err(error) = right {
            eprintln!("krtp-bench: {}: left out: {error:#}", lane.row.name);
            lane.peer.delivers = false;
            lane.peer.why_not = Some(format!("{error:#}"));
        }
    }
    Ok(())
}

/// One turn, to an interface that frees every packet at once.
fn sample(lane: &Lane, way: &Way) -> anyhow::Result<Sample> {
    let (mut command, log) = lane.row.ready(way)?;
    let arrived =
        || anyhow::Ok((Namespace::arrived(&lane.target)?, Namespace::arrived_octets(&lane.target)?));
    let before = arrived()?;
    let begin = Instant::now();
    let (succeeded, cost) = cost::of(&mut command)?;
    let wall = begin.elapsed().as_secs_f64();
    ensure!(succeeded, "{} failed: {}", lane.row.name, last_words(&log));
    let after = arrived()?;
    let [packets, octets] = [after.0 - before.0, after.1 - before.1];
    let whole = lane.peer.octets;
    ensure!(octets as f64 > whole as f64 * MOST, "{}: {octets} of {whole} octets arrived", lane.row.name);
    // What a packet of a batch has by itself is not in an interface's counters; there the file tells.
    let octets = if lane.row.carries == Carries::File { whole } else { octets - packets * LEN as u64 };
    Ok(Sample { user: cost.user_seconds, system: cost.cpu_seconds - cost.user_seconds, wall, octets })
}

/// Writes and prints.
fn show(options: &Options, peers: Vec<Peer>) -> anyhow::Result<()> {
    let results = Peers {
        schema: 1,
        date: Timestamp::now().round(Unit::Second)?.to_string(),
        machine: serde_json::from_value(machine::here()?)?,
        rounds: options.rounds,
        device: "an ifb that frees every packet at once, without segmentation offload but where it is named"
            .to_owned(),
        peers,
    };
    let all: Value = serde_json::to_value(&results)?;
    let json = options.directory.join("peers.json");
    fs::write(&json, format!("{all:#}\n")).with_context(|| json.display().to_string())?;
    let html = options.directory.join("peers.html");
    fs::write(&html, page::peers_html(&all)?).with_context(|| html.display().to_string())?;
    if options.json {
        println!("{all:#}");
    } else {
        print!("{}", page::peers_markdown(&all)?);
    }
    eprintln!("krtp-bench: {} and {}", html.display(), json.display());
    Ok(())
}
