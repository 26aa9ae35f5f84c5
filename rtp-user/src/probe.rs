//! `krtp probe`: what is in a file, found by reading all of it. The index is
//! kept, so that playing starts at once.

use crate::{
    media::{
        self, Media, Wish,
        library::{Cache, ClockWish, Library},
        plan::Plan,
        psi,
        scan::Scan,
        silence::Silence,
        source::Source,
    },
    print::print,
};
use anyhow::{Context, Result};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{fmt, io::IsTerminal as _, path::Path, time::Duration};

/// What was found. `--json` prints exactly these fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// What it is, as SDP names it.
    pub encoding: Option<&'static str>,
    /// Octets of media.
    pub octets: u64,
    /// Transport packets; zero, as all that follows but the clock, of what is
    /// no transport stream.
    pub packets: u64,
    /// Programmes of the association table, in its order.
    pub programmes: Vec<Programme>,
    /// PID whose PCRs are the clock, the first if it moves; none where there are none.
    pub pcr_pid: Option<u16>,
    /// What that clock says; none where no two PCRs give a rate.
    pub clock: Option<Clock>,
    /// Times that the clock goes on on another PID, as the tables have it.
    pub clock_moves: u64,
    /// PCRs of the clock.
    pub pcrs: u64,
    /// Those that repeat the one before.
    pub standing: u64,
    /// Times that they began again at zero, after 26.5 hours.
    pub wraps: u64,
    /// Discontinuities of the clock that are announced.
    pub discontinuities_flagged: u64,
    /// Those that are not.
    pub discontinuities_unflagged: u64,
    /// Where the clock's PID has no PCR for more than a second while others have some.
    pub silence: Option<Silence>,
    /// Times that a packet did not begin where it had to.
    pub sync_losses: u64,
    /// Octets in no packet.
    pub skipped: u64,
}

/// A programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Programme {
    /// Its number.
    pub number: u16,
    /// PID of its map.
    pub pmt_pid: u16,
    /// Whether the map is there.
    pub mapped: bool,
    /// PID of its PCRs, by its map.
    pub pcr_pid: Option<u16>,
}

/// What a clock says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// How long the file lasts, seconds.
    pub seconds: f64,
    /// Bits per second, of all octets.
    pub mean_rate: u64,
    /// The lowest between two PCRs.
    pub lowest_rate: u64,
    /// The highest.
    pub highest_rate: u64,
    /// The longest time between two PCRs, seconds.
    pub longest_interval: f64,
}

/// Probes `file`, with the PCRs of `pcr_pid` if one is asked for, and prints
/// what was found: for people, or (`json`) as one JSON object.
pub fn run(file: &Path, pcr_pid: Option<u16>, json: bool) -> Result<()> {
    let library = Library::new(Cache::of_user()?);
    let bar = bar(json);
    let report = probe(file, pcr_pid, &library, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    library.keep();
    let text = if json { serde_json::to_string(&report)? + "\n" } else { report.to_string() };
    print(&text)?;
    Ok(())
}

/// Octets, on a terminal; nothing elsewhere.
pub(crate) fn bar(json: bool) -> ProgressBar {
    let shown = !json && std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    let template = "{bar:24} {percent:>3}%  {decimal_bytes}, {decimal_bytes_per_sec}";
    bar.with_style(ProgressStyle::with_template(template).expect("a fixed template"))
}

fn probe(
    path: &Path,
    pcr_pid: Option<u16>,
    library: &Library,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report> {
    let (mut source, media) = source(path, pcr_pid, library)?;
    let octets = media.octets.end - media.octets.start;
    let report = Report {
        file: path.display().to_string(),
        encoding: media.encoding.map(|encoding| encoding.name),
        octets,
        ..Report::default()
    };
    source.complete(progress)?;
    Ok(match (source.scan(), &media.clock) {
        (Some(scan), _) => report.with_scan(scan),
        (None, Some(clock)) => Report { clock: Clock::of(octets, clock), ..report },
        (None, None) => report,
    })
}

/// The file as it is played: with its clock and with the sums of its payloads, but of those that
/// only the copy of audio in another order has: it would be made for them.
pub(crate) fn source(path: &Path, pcr_pid: Option<u16>, library: &Library) -> Result<(Source, Media)> {
    let (file, media) = media::open(path, &Wish { pcr_pid, ..Wish::default() })?;
    let plan = Plan::new(media.octets.clone(), media.payload).with_context(|| path.display().to_string())?;
    let wish = match &media.clock {
        Some(clock) => ClockWish::Even(clock.clone()),
        None => ClockWish::Pcr { pid: pcr_pid, needed: false },
    };
    let sums = media.samples.is_none();
    Ok((library.source(file, path.into(), &media, plan, sums, wish), media))
}

impl Clock {
    /// Of `octets`; `None` where nothing is known.
    fn of(octets: u64, clock: &media::clock::Clock) -> Option<Self> {
        let bits = u128::from(octets) * 8 * u128::from(clock.hertz());
        let rate = bits.checked_div(clock.span().into())?;
        let mean_rate = u64::try_from(rate).unwrap_or(u64::MAX);
        Some(Self {
            seconds: clock.span() as f64 / f64::from(clock.hertz()),
            mean_rate,
            lowest_rate: mean_rate,
            highest_rate: mean_rate,
            longest_interval: 0.0,
        })
    }
}

impl Report {
    fn with_scan(self, scan: &Scan) -> Self {
        let pcr = scan.counts.pcr;
        let clock = Clock::of(self.octets, &scan.clock).map(|clock| Clock {
            lowest_rate: pcr.slowest,
            highest_rate: pcr.fastest,
            longest_interval: pcr.longest as f64 / f64::from(scan.clock.hertz()),
            ..clock
        });
        Self {
            clock,
            packets: scan.counts.packets,
            programmes: scan.programmes.iter().copied().map(Programme::of).collect(),
            pcr_pid: scan.pid,
            clock_moves: scan.counts.moves,
            pcrs: pcr.pcrs,
            standing: pcr.standing,
            wraps: pcr.wraps,
            discontinuities_flagged: pcr.flagged,
            discontinuities_unflagged: pcr.unflagged,
            silence: scan.silence(),
            sync_losses: scan.counts.losses,
            skipped: scan.counts.skipped,
            ..self
        }
    }
}

impl Programme {
    fn of(found: psi::Programme) -> Self {
        let (number, pmt_pid) = (found.number, found.pmt_pid);
        Self { number, pmt_pid, mapped: found.is_mapped(), pcr_pid: found.pcr_pid() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.packets == 0 {
            return self.write_other(f);
        }
        let (packets, octets) = (HumanCount(self.packets), HumanBytes(self.octets));
        writeln!(f, "{}: MPEG transport stream, {packets} packets, {octets}", self.file)?;
        if self.programmes.is_empty() {
            writeln!(f, "  programmes     none listed (no association table)")?;
        }
        for programme in &self.programmes {
            writeln!(f, "  programme {:<5}{programme}", programme.number)?;
        }
        match (self.pcr_pid, &self.clock) {
            (Some(pid), Some(clock)) => self.write_clock(f, pid, clock)?,
            (Some(pid), None) => {
                let pcrs = HumanCount(self.pcrs);
                writeln!(f, "  clock          none: {pcrs} PCRs on PID {} give no rate; {REMEDY}", Pid(pid))?;
            }
            (None, _) => writeln!(f, "  clock          none: no PCR; {REMEDY}")?,
        }
        match self.sync_losses {
            0 => writeln!(f, "  sync           never lost"),
            losses => writeln!(
                f,
                "  sync           lost {}, {} octets in no packet",
                times(losses),
                HumanCount(self.skipped)
            ),
        }
    }
}

/// What to do with a file that has no clock.
const REMEDY: &str = "give its rate when it is streamed (--pace 4000000)";

impl Report {
    /// What is no transport stream.
    fn write_other(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = self.encoding.unwrap_or("media without a name");
        writeln!(f, "{}: {encoding}, {}", self.file, HumanBytes(self.octets))?;
        match &self.clock {
            Some(clock) => {
                writeln!(f, "  duration       {}", duration(clock.seconds))?;
                writeln!(f, "  rate           {:.3} Mb/s", clock.mean_rate as f64 / 1e6)
            }
            None => writeln!(f, "  clock          none: {REMEDY}"),
        }
    }

    fn write_clock(&self, f: &mut fmt::Formatter<'_>, pid: u16, clock: &Clock) -> fmt::Result {
        let megabits = |bits: u64| bits as f64 / 1e6;
        match self.clock_moves {
            0 => writeln!(f, "  clock          PCRs on PID {}", Pid(pid))?,
            moves => {
                let times = times(moves);
                writeln!(
                    f,
                    "  clock          PCRs on PID {}, and where else the maps say ({times})",
                    Pid(pid)
                )?;
            }
        }
        writeln!(f, "  duration       {}", duration(clock.seconds))?;
        writeln!(
            f,
            "  rate           {:.3} Mb/s on average, between two PCRs {:.3} to {:.3} Mb/s",
            megabits(clock.mean_rate),
            megabits(clock.lowest_rate),
            megabits(clock.highest_rate)
        )?;
        let (pcrs, apart) = (HumanCount(self.pcrs), clock.longest_interval * 1e3);
        write!(f, "  PCRs           {pcrs}, at most {apart:.1} ms apart, ")?;
        match self.wraps {
            0 => write!(f, "no wrap")?,
            wraps => write!(f, "wrapped {}", times(wraps))?,
        }
        if self.standing > 0 {
            write!(f, ", {} repeat the one before", HumanCount(self.standing))?;
        }
        writeln!(f)?;
        match (self.discontinuities_flagged, self.discontinuities_unflagged) {
            (0, 0) => writeln!(f, "  discontinuity  none"),
            (flagged, unflagged) => {
                writeln!(f, "  discontinuity  {flagged} announced, {unflagged} not announced")
            }
        }?;
        match &self.silence {
            Some(silence) => writeln!(f, "  silence        {silence}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map on PID {}, ", Pid(self.pmt_pid))?;
        match self.pcr_pid {
            Some(pid) => write!(f, "PCRs on PID {}", Pid(pid)),
            None if self.mapped => f.write_str("no PCRs"),
            None => f.write_str("which never comes"),
        }
    }
}

/// A PID in both forms that people look for.
struct Pid(u16);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:x})", self.0, self.0)
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{} times", HumanCount(count)) }
}

/// Hours, minutes, seconds.
fn duration(seconds: f64) -> String {
    let rounded = Duration::try_from_secs_f64(seconds + 0.0005).unwrap_or(Duration::MAX);
    let (seconds, rest) = (rounded.as_secs(), rounded.subsec_millis());
    format!("{}:{:02}:{:02}.{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
