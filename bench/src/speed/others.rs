//! Bars that whole processes are measured for, by benches of their own.

use super::{
    Options,
    bars::{Bar, Figure},
};
use crate::page::{Peer, Peers};
use anyhow::{Context, ensure};
use serde::Deserialize as _;
use serde_json::Value;
use std::{
    env, fs,
    process::{Command, Stdio},
};

/// Streams of the paced run, and what each has.
const STREAMS: u32 = 1_000;
const MEGABITS: u32 = 2;
const SECONDS: u32 = 10;
/// No packet is to be later than this, milliseconds.
const LATEST: f64 = 20.0;

/// Runs another of our benches; what it prints.
fn bench(arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut bench = Command::new(env::current_exe()?);
    let output = bench.args(arguments).stderr(Stdio::inherit()).output().context("running ourselves")?;
    ensure!(output.status.success(), "krtp-bench {} failed", arguments.join(" "));
    Ok(output.stdout)
}

/// Whole processes that send one file as fast as they can.
pub fn peers(options: &Options) -> anyhow::Result<Vec<Bar>> {
    let directory = options.directory.display().to_string();
    let mut arguments = vec!["peers", "--json", "--directory", &directory];
    let rows = ["krtp", "krtp-prepared", "krtp-prepared-offload", "ffmpeg", "gstreamer"];
    arguments.extend(rows.iter().flat_map(|row| ["--row", row]));
    if options.quick {
        arguments.extend(["--rounds", "1", "--seconds", "20"]);
    }
    let all: Value = serde_json::from_slice(&bench(&arguments)?).context("what bench peers says")?;
    let all = Peers::deserialize(&all).context("what bench peers says")?;
    let peer = |key: &str| all.peers.iter().find(|peer| peer.key == key).context("bench peers left one out");
    let mut bars = Vec::new();
    for (key, ours) in
        [("krtp", "krtp"), ("krtp-prepared", "prepared"), ("krtp-prepared-offload", "prepared, offload")]
    {
        for (other, theirs) in [("ffmpeg", "ffmpeg"), ("gstreamer", "GStreamer")] {
            let name = format!("{}_by_{other}", key.replace('-', "_"));
            let figure = ratio(peer(key)?, peer(other)?)?;
            bars.push(Bar::at_most(&name, &format!("{ours} / {theirs}, processes"), 0.10, figure));
        }
    }
    Ok(bars)
}

/// What one costs by what the other does. Who is not installed is no error; whether krtp delivers is.
fn ratio(ours: &Peer, theirs: &Peer) -> anyhow::Result<Figure> {
    let why = |peer: &Peer| format!("{}: {}", peer.name, peer.why_not.as_deref().unwrap_or("not measured"));
    ensure!(ours.delivers, why(ours));
    let Some(spread) = theirs.delivers.then(|| ours.ratio(theirs)).flatten() else {
        return Ok(Figure::Missing(why(theirs)));
    };
    Ok(Figure::Rounds { spread, rounds: ours.samples.len() })
}

/// Many paced streams, each with a file of its own, by either engine.
pub fn paced(options: &Options) -> anyhow::Result<Vec<Bar>> {
    let engines = [("paced_latest_ms", "kernel"), ("paced_user_latest_ms", "user")];
    engines.into_iter().map(|(name, engine)| paced_by(name, engine, options)).collect()
}

fn paced_by(name: &str, engine: &str, options: &Options) -> anyhow::Result<Bar> {
    let streams = if options.quick { STREAMS / 10 } else { STREAMS };
    let directory = options.directory.display().to_string();
    let [flows, rate, seconds] = [streams, MEGABITS, SECONDS].map(|number| number.to_string());
    bench(&[
        "flows",
        "--distinct",
        "--engine",
        engine,
        "--flows",
        &flows,
        "--rate",
        &rate,
        "--seconds",
        &seconds,
        "--ffmpegs",
        "0",
        "--directory",
        &directory,
    ])?;
    let path = options.directory.join("flows.json");
    let all = fs::read(&path).with_context(|| path.display().to_string())?;
    let all: Value = serde_json::from_slice(&all).with_context(|| path.display().to_string())?;
    let number = |pointer: &str| {
        let number = all.pointer(pointer).and_then(Value::as_f64);
        number.with_context(|| format!("{} has no {pointer}", path.display()))
    };
    let latest = Figure::Once(number("/krtp/seen/lateness/latest_ns")? / 1e6);
    let sent = Figure::Once(number("/krtp_lateness/worst_ns")? / 1e6);
    let cpu = Figure::Once(number("/krtp/cpu_seconds_per_flow")? / f64::from(SECONDS) * 1e3);
    let title = format!("{streams} x {MEGABITS} Mb/s, {engine}, latest, ms");
    Ok(Bar::at_most(name, &title, LATEST, latest)
        .also("handed_over_latest_ms", sent)
        .also("cpu_ms_per_second_and_flow", cpu))
}
