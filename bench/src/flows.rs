//! Many streams at once on an interface without fq: what they cost, whether all of it arrives, and how near to its
//! time. krtp sends all of them from one process, each from its own place in the file; of ffmpeg, which takes a process
//! for each, fewer are measured and compared stream by stream.

use crate::{
    devices::{self, Namespace},
    pacing::{cost, media},
    watcher::{DRAIN, Watcher},
};
use anyhow::{Context, ensure};
use nix::unistd::syncfs;
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
    /// Streams of ffmpeg, a process each; 0: krtp alone
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=2000))]
    ffmpegs: u16,
    /// Megabits per second of each
    #[arg(long, default_value_t = media::RATE, value_parser = clap::value_parser!(u32).range(1..=40))]
    rate: u32,
    /// How long each streams
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(2..))]
    seconds: u32,
    /// A file of its own for each stream of krtp, so that they share no memory; all in the page cache
    #[arg(long)]
    distinct: bool,
    /// Which engine of krtp
    #[arg(long, default_value = "kernel", value_parser = ["kernel", "user"])]
    engine: String,
    /// Where the file and the report go
    #[arg(long, default_value = "target/bench/flows")]
    directory: PathBuf,
}

/// The receiver of all streams: `krtp watch`. XDP would have a veth copy each packet on the sender's processor
/// (`skb_pp_cow_data`, for headroom), which no sender pays for on a real interface.
const SINK: &[&str] = &["--drop", "--mode", "tc"];
/// Packets that may wait in each queue of the senders' interface, which has one for each processor.
const QUEUE: u32 = 10_000;
/// How near to its time a packet has to be, milliseconds.
const NEAR: &str = "10";
/// Of all packets, so many.
const MOST: f64 = 0.99;
/// What krtp may cost for each stream, of what ffmpeg costs.
const BAR: f64 = 0.2;

/// Where all streams play one file, their places lie within its first so many seconds.
const SPREAD: u32 = 10;

/// The same of streams with files of their own.
const SPREAD_DISTINCT: u32 = 1;

/// What was measured of one sender.
struct Measured {
    flows: u16,
    cost: cost::Cost,
    /// What `krtp watch` saw, of all streams.
    seen: Value,
}

/// Streams, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let spread = if options.distinct { SPREAD_DISTINCT } else { SPREAD };
    let file = media::ensure(&options.directory, spread + options.seconds, options.rate)?;
    let krtp = env::current_exe()?.with_file_name("krtp");
    ensure!(krtp.exists(), "{} is not built: cargo build --release --package rtp-user", krtp.display());
    let scratch = tempfile::tempdir()?;
    let own = if options.distinct { Some(Files::make(options, &file)?) } else { None };
    let way = Way {
        krtp: &krtp,
        file: &file,
        engine: &options.engine,
        own: own.as_ref(),
        spread,
        seconds: options.seconds,
        scratch: scratch.path(),
    };
    let ours = way.measure(options.flows, Way::krtp_streams)?;
    let said = fs::read(way.said()).context("krtp's report")?;
    let said: Value = serde_json::from_slice(&said).context("krtp's report")?;
    whole(options, &said, &ours.seen)?;
    let theirs = match options.ffmpegs {
        0 => None,
        ffmpegs => Some(way.measure(ffmpegs, |way, to| Ok(way.ffmpegs(to)))?),
    };
    let json = options.directory.join("flows.json");
    let mut report = json!({
        "seconds": options.seconds,
        "megabits_per_second": options.rate,
        "distinct_files": options.distinct,
        "engine": options.engine,
        "krtp": ours.json(),
        "krtp_lateness": said["lateness"],
    });
    if let Some(theirs) = &theirs {
        report["ffmpeg"] = theirs.json();
        report["krtp_to_ffmpeg_cpu_per_flow"] = json!(ours.per_flow() / theirs.per_flow());
    }
    fs::write(&json, format!("{report:#}\n")).with_context(|| json.display().to_string())?;
    print(options, &ours, &said["lateness"], theirs.as_ref());
    eprintln!("krtp-bench: the same as JSON: {}", json.display());
    Ok(())
}

/// Whether krtp sent every stream's seconds, and whether all that it says it sent arrived.
fn whole(options: &Options, said: &Value, seen: &Value) -> anyhow::Result<()> {
    let [sent, arrived] = [said, seen].map(|figures| number(figures, "octets"));
    ensure!(sent == arrived, "{arrived} of {sent} octets arrived from krtp");
    let due = u64::from(options.flows) * u64::from(options.seconds) * u64::from(options.rate) * 1_000_000 / 8;
    // A stream begins and ends with a whole packet.
    ensure!(sent.abs_diff(due) < due / 50, "krtp sent {sent} octets where {due} are {} s", options.seconds);
    Ok(())
}

/// A file for each stream.
struct Files(tempfile::TempDir);

impl Files {
    /// Copies of `file`. All have been written to the disk when this is done, or the kernel would do it in the midst of
    /// the measurement; they are in the page cache still.
    fn make(options: &Options, file: &Path) -> anyhow::Result<Self> {
        let octets = fs::read(file).with_context(|| file.display().to_string())?;
        let flows = u64::from(options.flows);
        eprintln!("krtp-bench: writing {flows} files, {} MB …", flows * octets.len() as u64 / 1_000_000);
        let files = Self(tempfile::tempdir_in(&options.directory)?);
        for stream in 0..flows {
            // Octets, not a copy by the file system, which might let the files share what they hold.
            let path = files.of(stream);
            fs::write(&path, &octets).with_context(|| path.display().to_string())?;
        }
        syncfs(File::open(files.0.path())?).context("writing the files to the disk")?;
        Ok(files)
    }

    fn of(&self, stream: u64) -> PathBuf {
        self.0.path().join(format!("{stream}.ts"))
    }
}

/// From which file, and with what.
#[derive(Clone, Copy)]
struct Way<'a> {
    krtp: &'a Path,
    file: &'a Path,
    engine: &'a str,
    /// Those of krtp's streams, if each has one.
    own: Option<&'a Files>,
    /// The streams' places in a file lie within its first so many seconds.
    spread: u32,
    /// How much of it each stream plays.
    seconds: u32,
    scratch: &'a Path,
}

impl Way<'_> {
    /// Lets senders stream to `flows` ports, with `krtp watch` at the other end of the cable.
    fn measure(
        &self,
        flows: u16,
        commands: impl FnOnce(&Self, &[SocketAddr]) -> anyhow::Result<Vec<Command>>,
    ) -> anyhow::Result<Measured> {
        eprintln!("krtp-bench: {flows} streams …");
        let namespace = Namespace::enter_new()?;
        let queues = u32::try_from(thread::available_parallelism().map_or(1, usize::from))?;
        let binary = self.krtp.to_owned();
        let (target, watcher) =
            namespace.in_order(queues, move |interface| Watcher::start(&binary, interface, SINK))?;
        devices::queue(&target.link.name, QUEUE, queues)?;
        // Even ports, as RTP has them (RFC 3550 §11).
        let to = (0..flows).map(|flow| SocketAddr::new(target.destination.ip(), 10_000 + 2 * flow));
        let mut commands = commands(self, &to.collect::<Vec<_>>())?;
        let (well, cost) = cost::of_all(&mut commands)?;
        thread::sleep(DRAIN);
        let seen = watcher.finish()?;
        ensure!(well, "a sender failed");
        ensure!(number(&seen["total"], "lost") == 0, "packets were lost: {}", seen["total"]);
        Ok(Measured { flows, cost, seen: seen["total"].clone() })
    }

    /// One process of krtp with a stream to each destination, each from its own place in the file.
    fn krtp_streams(&self, to: &[SocketAddr]) -> anyhow::Result<Vec<Command>> {
        let list = self.scratch.join("streams");
        let streams = to.len() as u64;
        let lines = (0..).zip(to).fold(String::new(), |mut lines, (stream, to)| {
            let start = stream * u64::from(self.spread) * 1000 / streams;
            let file = self.own.map_or_else(|| self.file.to_owned(), |own| own.of(stream));
            writeln!(lines, "'{}' --to {to} --start {start}ms", file.display()).expect("a string has room");
            lines
        });
        fs::write(&list, lines)?;
        let mut command = Command::new(self.krtp);
        command.arg("stream").arg("--list").arg(&list).args(["--duration", &self.seconds.to_string()]);
        command.args(["--engine", self.engine, "--json"]).env("XDG_CACHE_HOME", self.scratch.join("cache"));
        command.stdin(Stdio::null()).stdout(File::create(self.said())?).stderr(Stdio::null());
        Ok(vec![command])
    }

    /// Where krtp's report goes.
    fn said(&self) -> PathBuf {
        self.scratch.join("report")
    }

    /// A process of ffmpeg for each destination.
    fn ffmpegs(&self, to: &[SocketAddr]) -> Vec<Command> {
        let one = |to: &SocketAddr| {
            let mut command = Command::new("ffmpeg");
            command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"]);
            command.args(["-t", &self.seconds.to_string(), "-i"]).arg(self.file);
            command.args([
                "-map",
                "0",
                "-c",
                "copy",
                "-f",
                "rtp_mpegts",
                &format!("rtp://{to}?pkt_size=1328"),
            ]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        to.iter().map(one).collect()
    }
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

fn print(options: &Options, ours: &Measured, lateness: &Value, theirs: Option<&Measured>) {
    println!("{} s at {} Mb/s each, no fq", options.seconds, options.rate);
    println!(
        "\n{:<8} {:>6} {:>10} {:>6} {:>14} {:>10} {:>14} {:>12}",
        "", "flows", "packets", "lost", "within 10 ms", "CPU s", "CPU s a flow", "wake-ups"
    );
    for (name, it) in [("krtp", Some(ours)), ("ffmpeg", theirs)] {
        let Some(it) = it else { continue };
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
    println!(
        "\nkrtp by its own report: {} packets handed over late, the worst {:.1} ms",
        number(lateness, "late"),
        number(lateness, "worst_ns") as f64 / 1e6
    );
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    if let Some(theirs) = theirs {
        let ratio = ours.per_flow() / theirs.per_flow();
        println!("krtp / ffmpeg, CPU a flow   {ratio:.3}   <= {BAR}   {}", verdict(ratio <= BAR));
    }
    println!(
        "krtp within {NEAR} ms         {:.4}   >= {MOST}   {}",
        ours.near(),
        verdict(ours.near() >= MOST)
    );
}
