//! Writing a copy: the packets that the other engines would send, one behind
//! the other.

use super::{error::PrepareError, part::Part};
use crate::{
    course::{Course, Item},
    engine::{self, Checksum, Setting},
    media::{
        self, Identity, Media, Wish,
        library::{ClockWish, Library},
        plan::Plan,
        prepared::{
            Copy,
            format::{self, BLOCK, HEAD, Head, Kind, LONGEST_PATH, Numbers, Timing},
        },
        source::SourceError,
    },
    pace::Pace,
    schedule::Origin,
    stop::GoOn,
};
use anyhow::Result;
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write},
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// Packets put together at a time.
const BATCH: usize = 512;
/// How long a file may be young: no file system's time stamps are coarser than two seconds.
const SETTLING: Duration = Duration::from_secs(3);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

/// A file that can be copied.
#[derive(Debug)]
pub struct Original {
    path: PathBuf,
    file: File,
    media: Media,
    plan: Plan,
    clock: ClockWish,
    kind: Kind,
}

impl Original {
    /// Opens the media file at `path`, which is to be sent as `wish` and `pace` say.
    pub fn open(path: &Path, wish: &Wish, pace: Pace) -> Result<Self> {
        let identity = settled(path)?;
        let (file, media) = media::open(path, wish)?;
        media.check_pace(pace, path)?;
        let plan = Plan::new(media.octets.clone(), media.payload).map_err(PrepareError::from)?;
        let clock = ClockWish::of(pace, path, &media)?;
        let kind = Kind {
            identity,
            octets: media.octets.clone(),
            payload: media.payload,
            unit: media.unit,
            payload_type: media.payload_type,
            clock_rate: media.clock_rate,
            encoding: media.encoding,
            timing: timing(&clock),
        };
        let path = std::path::absolute(path)
            .map_err(|source| media::MediaError::Read { path: path.into(), source })?;
        if path.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(PrepareError::LongPath { path }.into());
        }
        Ok(Self { path, file, media, plan, clock, kind })
    }

    /// What its copy is a copy of.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether `copy` is what [`Self::write`] would write, but for its numbers. One without a
    /// clock may be there from somebody who needs none.
    pub fn is_copied_in(&self, copy: &Copy) -> bool {
        let untimed = matches!(self.clock, ClockWish::Pcr { needed: true, .. }) && copy.clock().is_none();
        copy.head().kind == self.kind && !untimed
    }

    /// Octets of its copy, about: but for the clock's knots.
    pub fn octets(&self) -> u64 {
        let knots = 0;
        let head =
            Head { kind: self.kind.clone(), numbers: Numbers::default(), knots, source: PathBuf::new() };
        head.octets().unwrap_or(u64::MAX)
    }

    /// Writes the copy to `path`, with headers from `numbers` on.
    pub fn write(
        self,
        path: &Path,
        numbers: Numbers,
        library: &Library,
        go_on: &mut GoOn<'_>,
    ) -> Result<(), PrepareError> {
        let octets = self.octets();
        let refused = |source| PrepareError::Write { path: path.into(), source, octets };
        let stopped = || PrepareError::Stopped { path: path.into() };
        let part = Part::begin(path, &mut || go_on(0, 0)).map_err(refused)?.ok_or_else(stopped)?;
        // A disk that is too small says so now. Not every file system can.
        if let Err(error @ (rustix::io::Errno::NOSPC | rustix::io::Errno::FBIG)) =
            fallocate(part.file(), FallocateFlags::empty(), 0, octets)
        {
            return Err(refused(error.into()));
        }
        if !self.write_to(part.file(), numbers, library, go_on, &refused)? {
            return Err(stopped());
        }
        part.finish().map_err(refused)
    }

    /// `false`: given up.
    fn write_to(
        self,
        mut out: &File,
        numbers: Numbers,
        library: &Library,
        go_on: &mut GoOn<'_>,
        refused: &dyn Fn(io::Error) -> PrepareError,
    ) -> Result<bool, PrepareError> {
        let Self { path, file, media, plan, clock, kind } = self;
        let packets = plan.packets();
        let mut source = library.source(file, path.clone(), &media, plan, false, clock);
        out.seek(SeekFrom::Start(HEAD as u64)).map_err(refused)?;
        let mut blocks = Blocks {
            out: BufWriter::with_capacity(BLOCK as usize, out),
            hasher: crc32fast::Hasher::new(),
            taken: 0,
            sums: Vec::new(),
        };
        match source.make_ready(&mut |_, _| go_on(0, packets)) {
            Err(SourceError::Stopped { .. }) => return Ok(false),
            ready => ready?,
        }
        while source.read_further()? {
            if !go_on(0, packets) {
                return Ok(false);
            }
        }
        let knots = source.knots();
        let setting = Setting {
            ssrc: numbers.ssrc,
            first_sequence: numbers.sequence,
            payload_type: media.payload_type,
            clock_rate: media.clock_rate,
            payload: media.payload,
            unit: media.unit,
            checksum: Checksum::Full,
        };
        let origin = Origin { timestamp: numbers.timestamp, clock_rate: media.clock_rate, departure: 0 };
        let mut course = Course::new(vec![Item::new(source, plan, 0..packets, 0)], Some(1), origin, false);
        let failed = |error| PrepareError::Clock { path: path.clone(), source: Box::new(error) };
        while course.due().map_err(failed)?.is_some() {
            let batch = course.gather(BATCH, u64::MAX).map_err(failed)?;
            let (source, pieces) = course.in_hand();
            source.prepare(&batch)?;
            let payloads = source.read(&batch)?.chunks(setting.payload as usize);
            for (number, payload) in (batch.first..).zip(payloads) {
                blocks.write_all(&engine::header(&setting, number, pieces).to_bytes()).map_err(refused)?;
                blocks.write_all(payload).map_err(refused)?;
            }
            course.pass(&batch);
            if !go_on(batch.first + batch.packets as u64, packets) {
                return Ok(false);
            }
        }
        let sums = blocks.finish().map_err(refused)?;
        let head = Head { kind, numbers, knots: knots.len() as u64, source: path.clone() };
        let end = format::encode_end(&knots, &sums);
        let at = HEAD as u64 + head.packet_octets();
        out.write_all_at(&end, at).map_err(refused)?;
        out.set_len(at + end.len() as u64).map_err(refused)?;
        // A source that was written to in the meantime is no source of this copy.
        if identity(&path)? != head.kind.identity {
            return Err(PrepareError::Unsettled { path });
        }
        out.write_all_at(&head.encode()[..], 0).map_err(refused)?;
        Ok(true)
    }
}

/// Writes packets, and takes the sum of each block of them.
struct Blocks<W: Write> {
    out: W,
    hasher: crc32fast::Hasher,
    /// Octets of the block so far.
    taken: u64,
    sums: Vec<u32>,
}

impl<W: Write> Blocks<W> {
    fn write_all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)?;
        while !octets.is_empty() {
            let (here, rest) = octets.split_at(octets.len().min((BLOCK - self.taken) as usize));
            self.hasher.update(here);
            self.taken += here.len() as u64;
            if self.taken == BLOCK {
                self.end_block();
            }
            octets = rest;
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.sums.push(std::mem::take(&mut self.hasher).finalize());
        self.taken = 0;
    }

    fn finish(mut self) -> io::Result<Vec<u32>> {
        if self.taken > 0 {
            self.end_block();
        }
        self.out.flush()?;
        Ok(self.sums)
    }
}

fn timing(clock: &ClockWish) -> Timing {
    match clock {
        ClockWish::None => Timing { kind: format::ALIKE, hertz: 0, value: 0 },
        ClockWish::Even(clock) => Timing { kind: format::EVEN, hertz: clock.hertz(), value: clock.span() },
        ClockWish::Pcr { pid, .. } => {
            let hertz = media::pcr::HERTZ as u32;
            Timing { kind: format::PCRS, hertz, value: pid.map_or(u64::MAX, u64::from) }
        }
    }
}

fn identity(path: &Path) -> Result<Identity, PrepareError> {
    let file = media::open_regular(path)?;
    Identity::of(&file).map_err(|source| media::MediaError::Read { path: path.into(), source }.into())
}

/// The identity of the file at `path`, once a write from now on gives it another.
fn settled(path: &Path) -> Result<Identity, PrepareError> {
    let first = identity(path)?;
    let begun = SystemTime::now();
    while !first.is_settled(SystemTime::now()) {
        if begun.elapsed().is_ok_and(|waited| waited > SETTLING) {
            break;
        }
        thread::sleep(LOOK);
    }
    if identity(path)? == first { Ok(first) } else { Err(PrepareError::Unsettled { path: path.into() }) }
}
