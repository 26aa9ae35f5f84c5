//! Prepared files of streams: found or made, and opened once however many
//! streams send them. Refuses what would need other headers than theirs.

use super::{EngineChoice, Options};
use crate::{
    line::one_line,
    media::{
        Identity,
        library::Library,
        pcm::frames_in,
        prepared::{Copy, format::Numbers, is_prepared},
    },
    pace::Pace,
    prepare::{Original, PrepareError, cache::Cache},
    schedule,
    stop::GoOn,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{collections::HashMap, fs::File, path::Path, sync::Arc, time::Duration};

/// The prepared files that are open.
#[derive(Debug, Default)]
pub struct Copies(HashMap<(u64, u64), Arc<Copy>>);

impl Copies {
    /// The prepared file that `options` name or ask for; `None`: the stream goes
    /// the other ways, or was stopped by `go_on` before there was a copy.
    pub fn of(
        &mut self,
        options: &Options,
        library: &Library,
        go_on: &mut GoOn<'_>,
    ) -> Result<Option<Arc<Copy>>> {
        let prepared = options.files.iter().find(|path| is_prepared(path));
        let Some(path) = prepared.or_else(|| options.cache.as_ref().and(options.files.first())) else {
            return Ok(None);
        };
        check_manner(options, path)?;
        let copy = match (&options.cache, prepared) {
            (_, Some(path)) => {
                let copy = self.open(path)?;
                copy.check_source()?;
                check_numbers(options, &copy)?;
                copy
            }
            (Some(directory), None) => {
                let cache = Cache { directory: directory.clone(), limit: options.cache_size };
                match self.cached(&cache, options, path, library, go_on)? {
                    Ok(copy) => copy,
                    Err(PrepareError::Stopped { .. }) => return Ok(None),
                    Err(error) => {
                        let why = one_line(&error.into());
                        eprintln!("krtp: {} goes without a prepared copy: {why}", path.display());
                        return Ok(None);
                    }
                }
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(copy))
    }

    fn open(&mut self, path: &Path) -> Result<Arc<Copy>> {
        if let Some(copy) = self.known(path) {
            return Ok(copy);
        }
        Ok(self.keep(Copy::open(path)?))
    }

    /// The copy in `cache`, or why there can be none.
    fn cached(
        &mut self,
        cache: &Cache,
        options: &Options,
        path: &Path,
        library: &Library,
        go_on: &mut GoOn<'_>,
    ) -> Result<Result<Arc<Copy>, PrepareError>> {
        let original = Original::open(path, &options.wish, options.pace)?;
        if let Some(copy) = self.0.values().find(|copy| original.is_copied_in(copy)) {
            return Ok(Ok(Arc::clone(copy)));
        }
        Ok(cache.copy(original, Numbers::random(), library, go_on).map(|copy| self.keep(copy)))
    }

    fn known(&self, path: &Path) -> Option<Arc<Copy>> {
        let now = File::open(path).and_then(|file| Identity::of(&file)).ok()?;
        let copy = self.0.get(&(now.device, now.inode))?;
        let known = copy.identity();
        ((known.size, known.modified) == (now.size, now.modified)).then(|| Arc::clone(copy))
    }

    fn keep(&mut self, copy: Copy) -> Arc<Copy> {
        let copy = Arc::new(copy);
        self.0.insert((copy.identity().device, copy.identity().inode), Arc::clone(&copy));
        copy
    }
}

/// What no prepared file can do.
fn check_manner(options: &Options, path: &Path) -> Result<()> {
    let name = path.display();
    ensure!(
        options.files.len() == 1,
        "{name} is sent with prepared headers, which do not run on from file to file: stream the files apart, \
         or all of them unprepared (without --cache)"
    );
    ensure!(
        options.plays == Some(1),
        "{name} is sent with prepared headers, which would begin again with each play of --loop: \
         stream the file that it was prepared from (without --cache)"
    );
    ensure!(
        options.engine == EngineChoice::Auto,
        "{name} is sent with prepared headers, which no engine has to write: leave --engine out, \
         or stream the file that it was prepared from (without --cache)"
    );
    if options.cache.is_some() && !is_prepared(path) {
        let given = [
            ("--ssrc", options.ssrc.is_some()),
            ("--seq", options.sequence.is_some()),
            ("--timestamp", options.timestamp.is_some()),
        ];
        if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
            bail!(
                "{option} is for one stream, and the copies of --cache are for all: \
                 prepare one with `krtp prepare {name} {option} …` and stream that"
            );
        }
    }
    Ok(())
}

/// What would change the headers of a prepared file.
fn check_numbers(options: &Options, copy: &Copy) -> Result<()> {
    let (kind, numbers, wish) = (&copy.head().kind, copy.head().numbers, &options.wish);
    let rate = match options.pace {
        Pace::Bits(bits) => Some(bits),
        Pace::Pcr | Pace::None => None,
    };
    // Packets are as long as the nearest number of samples, not as what was asked for.
    let ptime = wish.ptime.map(|time| frames_in(time, kind.clock_rate));
    let ptime = ptime.map(|frames| u64::try_from(frames).unwrap_or(u64::MAX));
    let has_ptime = copy.media().ptime().map(|_| u64::from(kind.payload / kind.unit));
    let asked: [(&str, Option<u64>, Option<u64>); 9] = [
        ("--ssrc", options.ssrc.map(u64::from), Some(numbers.ssrc.into())),
        ("--seq", options.sequence.map(u64::from), Some(numbers.sequence.into())),
        ("--timestamp", options.timestamp.map(u64::from), Some(numbers.timestamp.into())),
        ("--pt", wish.payload_type.map(u64::from), Some(kind.payload_type.into())),
        ("--clock-rate", wish.clock_rate.map(u64::from), Some(kind.clock_rate.into())),
        ("--payload", wish.payload.map(u64::from), Some(kind.payload.into())),
        ("--ptime", ptime, has_ptime),
        ("--pcr-pid", wish.pcr_pid.map(u64::from), Some(kind.timing.value)),
        ("--pace BITRATE", rate, None),
    ];
    for (option, wanted, has) in asked {
        ensure!(
            wanted.is_none() || wanted == has,
            "{option} would change the headers of {}, which are written: leave it out, or prepare it anew with \
             `krtp prepare {} {option} …`",
            copy.path().display(),
            copy.head().source.display()
        );
    }
    ensure!(
        copy.clock().is_some() || options.pace == Pace::None,
        "{} was prepared without a clock: send it unpaced (--pace none), or prepare it anew with --pace BITRATE",
        copy.path().display()
    );
    Ok(())
}

/// The first packet that is played: `--start` into a file whose clock is known.
pub fn first_packet(copy: &Copy, start: Duration) -> Result<u64> {
    if start.is_zero() {
        return Ok(0);
    }
    let clock = copy.clock().context("--start needs a clock")?;
    let ticks = schedule::ticks(u64::try_from(start.as_nanos()).unwrap_or(u64::MAX), clock.hertz());
    let octet = clock.octet_at(ticks);
    Ok(octet.map_or(0, |octet| copy.plan().packet_at(octet).min(copy.plan().packets() - 1)))
}
