//! `bench pacing`: the comparison of senders, in a machine with a kernel that has fq, or on this host.

use super::{
    Series,
    debian::{self, Kernel},
    machine::{self, Clock, End, Machine},
};
use crate::{
    places::{self, quoted},
    process,
    setup::{self, Group},
};
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// `bench pacing`'s arguments; those of `krtp-bench pacing` are among them.
#[derive(Parser)]
#[command(name = "cargo xtask bench pacing", bin_name = "cargo xtask bench pacing")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
struct Options {
    /// On this host's kernel, not in a machine
    #[arg(long)]
    host: bool,
    /// The machine's kernel
    #[arg(long, value_name = "SERIES", default_value = "6.12", conflicts_with = "host")]
    kernel: Series,
    /// What the machine's time is
    #[arg(long, value_enum, value_name = "CLOCK", default_value_t = Time::Instructions, conflicts_with = "host")]
    clock: Time,
    /// Length of the file that each sender streams
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Ten seconds, to see that all of it works
    #[arg(long)]
    quick: bool,
    /// Only these senders (see krtp-bench pacing --help)
    #[arg(long = "row", value_name = "NAME")]
    rows: Vec<String>,
    /// Write when each packet came and when it was due, as NAME.csv beside the report
    #[arg(long)]
    trace: bool,
    /// All is built already (set when this runs itself again as root)
    #[arg(long, hide = true)]
    built: bool,
}

/// A machine's time, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Time {
    /// Its own instructions, a nanosecond each, on one emulated processor: the same on every host, whatever else it does
    Instructions,
    /// The host's, on two processors, with KVM where there is some; when the host holds the machine up, that is measured, too
    Host,
}

impl Time {
    fn clock(self) -> Clock {
        match self {
            Self::Instructions => Clock::Instructions,
            Self::Host => Clock::HostFirst,
        }
    }

    /// For people.
    fn says(self) -> &'static str {
        match self {
            Self::Instructions => "one emulated processor, a nanosecond for each instruction",
            Self::Host if machine::has_kvm() => "two processors by KVM, the host's time",
            Self::Host => "two emulated processors, the host's time",
        }
    }
}

/// So many seconds of each sender go before what is measured, where the machine's time goes far while it waits for the
/// host: all that the senders load is in its memory afterwards.
const WARM: u64 = 2;
/// Of such a time.
const A_DAY: Duration = Duration::from_hours(24);
/// More than the senders there are.
const SENDERS: u64 = 8;

/// Builds, makes the file, measures, prints.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let options = Options::parse_from(arguments);
    if !options.built {
        setup::ensure(&[Group::Test, Group::Kernels, Group::Bench])?;
        build()?;
        for seconds in [options.seconds(), WARM] {
            process::run(Command::new(bench()?).args(options.words(seconds)?).arg("--prepare"))?;
        }
    }
    if !process::is_root() {
        let mut again = process::as_root(env::current_exe()?)?;
        return process::become_(again.arg("bench").args(arguments).arg("--built"));
    }
    if options.host { on_host(&options) } else { in_machine(&options) }
}

/// Builds krtp and the bench.
pub fn build() -> Result<()> {
    let packages = ["--package", "rtp-user", "--package", "krtp-bench"];
    process::run(process::cargo().args(["build", "--quiet", "--release"]).args(packages))
}

/// The built bench.
pub fn bench() -> Result<PathBuf> {
    places::release("krtp-bench")
}

/// Where the file and the report go.
pub fn directory() -> Result<PathBuf> {
    Ok(places::target()?.join("bench/pacing"))
}

impl Options {
    fn seconds(&self) -> u64 {
        if self.quick { 10 } else { self.seconds }
    }

    /// For `krtp-bench`.
    fn words(&self, seconds: u64) -> Result<Vec<String>> {
        let mut words = vec!["pacing".to_owned(), "--seconds".to_owned(), seconds.to_string()];
        words.extend(self.rows.iter().flat_map(|row| ["--row".to_owned(), row.clone()]));
        words.extend(self.trace.then(|| "--trace".to_owned()));
        words.extend(["--directory".to_owned(), directory()?.display().to_string()]);
        words.extend((!self.host).then(|| format!("--machine={}", self.clock.says())));
        Ok(words)
    }
}

fn on_host(options: &Options) -> Result<()> {
    process::become_(Command::new(bench()?).args(options.words(options.seconds())?))
}

fn in_machine(options: &Options) -> Result<()> {
    let kernel = Kernel::fetch(options.kernel)?;
    let busybox = debian::busybox()?;
    let limit = Duration::from_secs(SENDERS * (options.seconds() + 20) + 60);
    let job = job(options, limit)?;
    let place = debian::directory()?.join("pacing");
    let stop = process::on_signals()?;
    let machine = Machine {
        kernel: &kernel,
        busybox: &busybox,
        place,
        job,
        limit: limit + Duration::from_mins(1),
        clock: options.clock.clock(),
        stop: &stop,
    };
    let (machine_is, seconds) = (options.clock.says(), options.seconds());
    println!("{} in a machine with {machine_is}, {seconds} s for each sender …", kernel.package);
    let end = machine.run(|| ())?;
    let said = fs::read_to_string(machine.results().join("pacing.log")).unwrap_or_default();
    print!("{said}");
    let status = fs::read_to_string(machine.results().join("pacing.ended")).unwrap_or_default();
    if end != End::Done {
        bail!("the machine did not come through: see {}", places::shown(&machine.console()));
    }
    for entry in fs::read_dir(machine.results())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "csv") {
            let here = directory()?.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &here).with_context(|| places::shown(&here))?;
            println!("Here: {}", places::shown(&here));
        }
    }
    if !status.starts_with("0 ") {
        bail!("not every sender could be measured");
    }
    Ok(())
}

/// What the machine is to do.
fn job(options: &Options, limit: Duration) -> Result<String> {
    let (directory, bench) = (quoted(&directory()?), quoted(&bench()?));
    let step = |name, limit: Duration, seconds| -> Result<String> {
        let words = options.words(seconds)?;
        let words: Vec<_> = words.iter().map(|word| quoted(Path::new(word))).collect();
        Ok(format!("step {name} {} {bench} {}\n", limit.as_secs(), words.join(" ")))
    };
    let warm = match options.clock {
        // Its date went far, too.
        Time::Instructions => step("warm", A_DAY, WARM)? + "busybox hwclock --hctosys --utc\n",
        Time::Host => String::new(),
    };
    let measured = step("pacing", limit, options.seconds())?;
    Ok(format!("cd {directory}\n{warm}rm -f *.json *.csv\n{measured}cp *.json *.csv /mnt/\n"))
}

#[cfg(test)]
mod tests {
    use super::{Options, Time};
    use clap::{CommandFactory, Parser};

    #[test]
    fn quick_is_ten_seconds_and_the_command_line_is_well_formed() {
        Options::command().debug_assert();
        let options = Options::parse_from(["pacing", "--quick", "--row", "krtp"]);
        assert_eq!(options.seconds(), 10);
        let words = options.words(options.seconds()).unwrap();
        assert_eq!(words[..5], ["pacing", "--seconds", "10", "--row", "krtp"]);
        assert_eq!(words.last().unwrap(), &format!("--machine={}", Time::Instructions.says()));
        let on_host = Options::parse_from(["pacing", "--host"]).words(2).unwrap();
        assert!(!on_host.iter().any(|word| word.starts_with("--machine")), "{on_host:?}");
    }
}
