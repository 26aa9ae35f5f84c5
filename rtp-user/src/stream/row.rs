//! The files of a stream, one after the other as one flow: opened, judged
//! together, and cut by `--start` and `--duration`.

use super::{
    Options,
    rate::{Rate, Seconds},
};
use crate::{
    course::Item,
    media::{
        self, Media,
        library::{ClockWish, Library},
        plan::Plan,
        prepared::Copy,
        source::{Source, SourceError},
    },
    schedule,
    stop::GoOn,
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A row of files that can be played.
#[derive(Debug)]
pub struct Row {
    files: Vec<Opened>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: File,
    media: Media,
    plan: Plan,
    clock: ClockWish,
    /// The prepared file that this is, if it is one.
    copy: Option<Arc<Copy>>,
}

impl Row {
    /// Opens all files that `options` name, or the prepared file that stands for them.
    pub fn open(options: &Options, copy: Option<&Arc<Copy>>) -> Result<Self> {
        if let Some(copy) = copy {
            let file = copy.file().try_clone().with_context(|| copy.path().display().to_string())?;
            let (path, media, plan, clock) = (copy.path().into(), copy.media(), copy.plan(), ClockWish::None);
            let copy = Some(Arc::clone(copy));
            return Ok(Self { files: vec![Opened { path, file, media, plan, clock, copy }] });
        }
        let files = options.files.iter().map(|path| open(options, path)).collect::<Result<Vec<_>>>()?;
        let (first, rest) = files.split_first().context("no file: name at least one")?;
        for other in rest {
            check_alike(first, other)?;
        }
        Ok(Self { files })
    }

    /// What all files are.
    pub fn media(&self) -> &Media {
        &self.files[0].media
    }

    /// The files that have no clock.
    fn without_clock(&self) -> impl Iterator<Item = &Path> {
        let without = |opened: &&Opened| match &opened.copy {
            Some(copy) => copy.clock().is_none(),
            None => matches!(opened.clock, ClockWish::None),
        };
        self.files.iter().filter(without).map(|opened| &*opened.path)
    }

    /// How fast they leave, as far as `library` knows or the files' ends and
    /// beginnings tell.
    pub fn rate(&self, library: &Library) -> Option<Rate> {
        let octets: u64 = self.files.iter().map(|opened| opened.plan.octets()).sum();
        let mut all = Seconds::NONE;
        for opened in &self.files {
            all = all.and(opened.seconds(library)?);
        }
        Rate::of(octets, all)
    }

    /// The files as they are played, from a start on for a
    /// duration.
    /// `go_on` is told what was read of what is to be read; once it says no, nothing
    /// is cut any more, as nothing will be sent.
    pub fn items(
        self,
        library: &Library,
        sums: bool,
        (start, duration): (Duration, Option<Duration>),
        go_on: &mut GoOn<'_>,
    ) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut start = nanoseconds(start);
        let mut left = duration.map(nanoseconds);
        for Opened { path, file, media, plan, clock, copy } in self.files {
            let mut source = match &copy {
                Some(copy) => library.copy(copy).with_context(|| path.display().to_string())?,
                None => library.source(file, path.clone(), &media, plan, sums, clock),
            };
            let mut packets = 0..plan.packets();
            let mut begin = 0;
            if start > 0 || left.is_some() {
                let hertz = source.hertz().with_context(|| {
                    format!(
                        "{}: --start and --duration need a clock: give its rate (--pace 4000000)",
                        path.display()
                    )
                })?;
                if start > 0 {
                    let from =
                        octet_at(&mut source, schedule::ticks(start, hertz), go_on)?.with_context(|| {
                            format!(
                                "{} ends before --start: give a time within it (krtp probe tells)",
                                path.display()
                            )
                        })?;
                    packets.start = plan.packet_at(from).min(packets.end - 1);
                    begin = ticks_at(&mut source, plan.octet(packets.start))?;
                    start = 0;
                }
                if let Some(left) = &mut left {
                    let end = begin + schedule::ticks(*left, hertz);
                    if let Some(octet) = octet_at(&mut source, end, go_on)? {
                        packets.end = plan.packet_at(octet).max(packets.start + 1);
                        *left = 0;
                    } else {
                        let over = ticks_at(&mut source, plan.octet(packets.end))? - begin;
                        *left = left.saturating_sub(schedule::nanoseconds(over, hertz));
                    }
                }
            }
            items.push(Item::new(source, plan, packets, begin));
            if left == Some(0) {
                break;
            }
        }
        Ok(items)
    }
}

/// The files of all `rows` that have no clock, as far as their beginnings tell.
pub fn without_clock(rows: &[Row]) -> BTreeSet<PathBuf> {
    rows.iter().flat_map(Row::without_clock).map(Path::to_owned).collect()
}

/// `files` in a few words; `None`: there are none.
pub fn in_few_words(files: &BTreeSet<PathBuf>) -> Option<String> {
    let first = files.first()?.display();
    Some(match files.len() - 1 {
        0 => first.to_string(),
        more => format!("{first} and {more} more"),
    })
}

fn octet_at(source: &mut Source, ticks: u64, go_on: &mut GoOn<'_>) -> Result<Option<u64>> {
    match source.octet_at(ticks, go_on) {
        Err(SourceError::Stopped { .. }) => Ok(Some(0)),
        other => Ok(other?),
    }
}

fn ticks_at(source: &mut Source, octet: u64) -> Result<u64> {
    Ok(source.stretch(octet)?.map_or(0, |stretch| stretch.ticks_at(octet)))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Opened {
    fn seconds(&self, library: &Library) -> Option<Seconds> {
        match (&self.copy, &self.clock) {
            (Some(copy), _) => copy.clock().map(|clock| Seconds::of_clock(clock)),
            (None, ClockWish::None) => None,
            (None, ClockWish::Even(clock)) => Some(Seconds::of_clock(clock)),
            (None, clock @ ClockWish::Pcr { .. }) => {
                let (file, path) = (self.file.try_clone().ok()?, self.path.clone());
                let mut source = library.source(file, path, &self.media, self.plan, false, clock.clone());
                Some(Seconds::of(&mut source, &self.plan, self.media.pcr?))
            }
        }
    }
}

fn open(options: &Options, path: &Path) -> Result<Opened> {
    let (file, media) = media::open(path, &options.wish)?;
    media.check_pace(options.pace, path)?;
    let plan = Plan::new(media.octets.clone(), media.payload).with_context(|| path.display().to_string())?;
    let clock = ClockWish::of(options.pace, path, &media)?;
    Ok(Opened { path: path.to_owned(), file, media, plan, clock, copy: None })
}

/// Receivers take one flow for one medium.
fn check_alike(first: &Opened, other: &Opened) -> Result<()> {
    let of = |media: &Media| (media.payload_type, media.clock_rate, media.payload, media.encoding);
    ensure!(
        of(&first.media) == of(&other.media),
        "{} and {} cannot be one flow: they differ in payload type, clock rate or payload; \
         give them the same with --pt, --clock-rate and --payload, or stream them apart",
        first.path.display(),
        other.path.display()
    );
    Ok(())
}
