//! Many streams at once on an interface without fq: what they cost, whether all of it arrives, and how near to its
//! time. krtp sends all of them from one process; of ffmpeg, which takes a process for each, fewer are measured and
//! compared stream by stream.

use crate::{
    devices::Namespace,
    pacing::{cost, media},
    watcher::{DRAIN, Watcher},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Streams of krtp
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    flows: u16,
    /// Streams of ffmpeg, a process each
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=2000))]
    ffmpegs: u16,
    /// How long each streams, at 4 Mb/s
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Where the file and the report go
    #[arg(long, default_value = "target/bench/flows")]
    directory: PathBuf,
}

/// The receiver of all streams: `krtp watch`, which costs the sender's processor next to nothing.
const SINK: &[&str] = &["--drop", "--mode", "native"];
/// How near to its time a packet has to be, milliseconds.
const NEAR: &str = "10";
/// Of all packets, so many.
const MOST: f64 = 0.99;
/// What krtp may cost for each stream, of what ffmpeg costs.
const BAR: f64 = 0.2;

/// What was measured of one sender.
struct Measured {
    flows: u16,
    cost: cost::Cost,
    /// What `krtp watch` saw, of all streams.
    seen: Value,
}

/// Streams, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let file = media::ensure(&options.directory, options.seconds)?;
    let krtp = env::current_exe()?.with_file_name("krtp");
    ensure!(krtp.exists(), "{} is not built: cargo build --release --package rtp-user", krtp.display());
    let octets = fs::metadata(&file)?.len();
    let scratch = tempfile::tempdir()?;
    let sends = |flows: u16| u64::from(flows) * octets;
    let ours = measure(&krtp, options.flows, |to| krtp_streams(&krtp, &file, scratch.path(), to))?;
    ensure!(
        number(&ours.seen, "octets") == sends(options.flows),
        "{} of {} octets arrived from krtp",
        number(&ours.seen, "octets"),
        sends(options.flows)
    );
    let theirs = measure(&krtp, options.ffmpegs, |to| Ok(ffmpegs(&file, to)))?;
    let json = options.directory.join("flows.json");
    let report = json!({
        "seconds": options.seconds,
        "krtp": ours.json(),
        "ffmpeg": theirs.json(),
        "krtp_to_ffmpeg_cpu_per_flow": ours.per_flow() / theirs.per_flow(),
    });
    fs::write(&json, format!("{report:#}\n")).with_context(|| json.display().to_string())?;
    print(options, &ours, &theirs);
    eprintln!("krtp-bench: the same as JSON: {}", json.display());
    Ok(())
}

/// Lets senders stream to `flows` ports, with `krtp watch` at the other end of the cable.
fn measure(
    krtp: &Path,
    flows: u16,
    commands: impl FnOnce(&[SocketAddr]) -> anyhow::Result<Vec<Command>>,
) -> anyhow::Result<Measured> {
    eprintln!("krtp-bench: {flows} streams …");
    let namespace = Namespace::enter_new()?;
    let binary = krtp.to_owned();
    let (target, watcher) = namespace.beyond(move |interface| Watcher::start(&binary, interface, SINK))?;
    // Even ports, as RTP has them (RFC 3550 §11).
    let to = (0..flows).map(|flow| SocketAddr::new(target.destination.ip(), 10_000 + 2 * flow));
    let mut commands = commands(&to.collect::<Vec<_>>())?;
    let (well, cost) = cost::of_all(&mut commands)?;
    thread::sleep(DRAIN);
    let seen = watcher.finish()?;
    ensure!(well, "a sender failed");
    ensure!(number(&seen["total"], "lost") == 0, "packets were lost: {}", seen["total"]);
    Ok(Measured { flows, cost, seen: seen["total"].clone() })
}

/// One process of krtp with a stream to each destination, each from its own place in the file.
fn krtp_streams(krtp: &Path, file: &Path, scratch: &Path, to: &[SocketAddr]) -> anyhow::Result<Vec<Command>> {
    let list = scratch.join("streams");
    let lines = to.iter().fold(String::new(), |mut lines, to| {
        writeln!(lines, "'{}' --to {to}", file.display()).expect("a string has room");
        lines
    });
    fs::write(&list, lines)?;
    let mut command = Command::new(krtp);
    command.arg("stream").arg("--list").arg(&list).args(["--engine", "kernel", "--json"]);
    command.env("XDG_CACHE_HOME", scratch.join("cache"));
    command.stdin(Stdio::null()).stdout(File::create(scratch.join("report"))?).stderr(Stdio::null());
    Ok(vec![command])
}

/// A process of ffmpeg for each destination.
fn ffmpegs(file: &Path, to: &[SocketAddr]) -> Vec<Command> {
    let one = |to: &SocketAddr| {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re", "-i"]).arg(file);
        command.args(["-map", "0", "-c", "copy", "-f", "rtp_mpegts", &format!("rtp://{to}?pkt_size=1328")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    to.iter().map(one).collect()
}

impl Measured {
    fn per_flow(&self) -> f64 {
        self.cost.cpu_seconds / f64::from(self.flows)
    }

    /// The share of packets that came near to their time.
    fn near(&self) -> f64 {
        self.seen["lateness"]["within_ms"][NEAR].as_f64().unwrap_or_default()
    }

    fn json(&self) -> Value {
        json!({
            "flows": self.flows,
            "cpu_seconds": self.cost.cpu_seconds,
            "cpu_seconds_per_flow": self.per_flow(),
            "wakeups": self.cost.wakeups,
            "machine_cpu_seconds": self.cost.machine_seconds,
            "seen": self.seen,
        })
    }
}

fn number(object: &Value, field: &str) -> u64 {
    object[field].as_u64().unwrap_or_default()
}

fn print(options: &Options, ours: &Measured, theirs: &Measured) {
    println!("{} s at 4 Mb/s each, no fq", options.seconds);
    println!(
        "\n{:<8} {:>6} {:>10} {:>6} {:>14} {:>10} {:>14} {:>12}",
        "", "flows", "packets", "lost", "within 10 ms", "CPU s", "CPU s a flow", "wake-ups"
    );
    for (name, it) in [("krtp", ours), ("ffmpeg", theirs)] {
        println!(
            "{name:<8} {:>6} {:>10} {:>6} {:>12.2} % {:>10.2} {:>14.4} {:>12}",
            it.flows,
            number(&it.seen, "packets"),
            number(&it.seen, "lost"),
            it.near() * 100.0,
            it.cost.cpu_seconds,
            it.per_flow(),
            it.cost.wakeups
        );
    }
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    let ratio = ours.per_flow() / theirs.per_flow();
    println!("\nkrtp / ffmpeg, CPU a flow   {ratio:.3}   <= {BAR}   {}", verdict(ratio <= BAR));
    println!(
        "krtp within {NEAR} ms         {:.4}   >= {MOST}   {}",
        ours.near(),
        verdict(ours.near() >= MOST)
    );
}
