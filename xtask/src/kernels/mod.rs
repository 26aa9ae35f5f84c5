//! `kernels`: Debian's kernels in virtual machines, the privileged tests in each, and a table of what came of it.

mod debian;
mod initrd;
mod job;
mod machine;
mod outcome;
pub mod pacing;
mod table;

use crate::{
    places, process,
    setup::{self, Group},
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use debian::Kernel;
use job::Test;
use machine::{Clock, Machine};
use outcome::Outcome;
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

/// `kernels`' arguments.
#[derive(clap::Args)]
pub struct Options {
    /// Only these kernels
    #[arg(value_name = "SERIES")]
    series: Vec<Series>,
    /// Only these test binaries (directories of rtp-user/tests), not all that run in a machine
    #[arg(long = "test", value_name = "NAME")]
    tests: Vec<String>,
    /// After this time a kernel's machine is ended
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    limit: u64,
    /// What the tests were built as (set when this runs itself again as root)
    #[arg(long, hide = true, value_name = "NAME=PATH")]
    built: Vec<Test>,
}

/// The kernels of the matrix: the oldest that krtp takes, and one with tcx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Series {
    /// Debian 12's; clsact
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13's, which Debian 12 has as well; tcx
    #[value(name = "6.12")]
    V6_12,
}

impl Series {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        }
    }
}

/// Fetches, builds, boots all kernels side by side, judges.
pub fn run(options: &Options) -> Result<()> {
    if options.built.is_empty() {
        setup::ensure(&[Group::Test, Group::Kernels])?;
        let tests = job::build(&options.tests)?;
        job::prepare_pacing()?;
        if !process::is_root() {
            println!(
                "The host's files are shared with the machines: this runs itself again as root, through sudo."
            );
            let mut again = process::as_root(env::current_exe()?)?;
            again.arg("kernels").args(options.series.iter().map(|series| series.name()));
            again.args(["--limit", &options.limit.to_string()]);
            again.args(tests.iter().flat_map(|test| ["--built".to_owned(), test.to_string()]));
            return process::become_(&mut again);
        }
        return matrix(options, &tests);
    }
    matrix(options, &options.built)
}

fn matrix(options: &Options, tests: &[Test]) -> Result<()> {
    let all = Series::value_variants();
    let series = if options.series.is_empty() { all } else { &options.series };
    let kernels = series.iter().map(|series| Kernel::fetch(*series)).collect::<Result<Vec<_>>>()?;
    let busybox = debian::busybox()?;
    println!("{}", if machine::has_kvm() { "With KVM." } else { "Without KVM: the machines are slow." });
    let (limit, stop) = (Duration::from_mins(options.limit), process::on_signals()?);
    let boot = |kernel| one(kernel, &busybox, tests, limit, &stop);
    let outcomes: Vec<Result<Outcome>> = thread::scope(|scope| {
        let running: Vec<_> = kernels.iter().map(|kernel| scope.spawn(move || boot(kernel))).collect();
        running.into_iter().map(|kernel| kernel.join().expect("a machine's thread does not panic")).collect()
    });
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    print!("\n{}", table::of(&outcomes));
    let bad: Vec<_> =
        outcomes.iter().filter(|outcome| !outcome.is_good()).map(|outcome| outcome.series.name()).collect();
    if !bad.is_empty() {
        bail!("not all is well on {}", bad.join(" and "));
    }
    Ok(())
}

/// One kernel's machine, from boot to outcome.
fn one(
    kernel: &Kernel,
    busybox: &Path,
    tests: &[Test],
    limit: Duration,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let place = debian::directory()?.join(kernel.series.name());
    let job = job::script(tests)?;
    let machine = Machine { kernel, busybox, place, job, limit, clock: Clock::Host, stop };
    let (begun, mut told) = (Instant::now(), Vec::new());
    let end = machine.run(|| tell(kernel, &machine, begun, &mut told));
    let end = end.with_context(|| format!("the machine with {}", kernel.release))?;
    Outcome::read(kernel, tests, &machine, end)
}

/// Says which steps have ended since the last look.
fn tell(kernel: &Kernel, machine: &Machine, begun: Instant, told: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(machine.results()).into_iter().flatten().flatten().map(|entry| entry.path());
    let ended = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ended");
    for path in entries.filter(ended) {
        if !told.contains(&path) {
            let step = path.file_stem().unwrap_or_default().to_string_lossy();
            println!(
                "{:>5} s  {:<5} {step}: {}",
                begun.elapsed().as_secs(),
                kernel.series.name(),
                outcome::in_short(&path)
            );
            told.push(path);
        }
    }
}

/// Where a kernel's machine leaves everything, as the user would type it.
fn shown(series: Series) -> Result<String> {
    Ok(places::shown(&debian::directory()?.join(series.name())))
}
