//! The file being sent, and what is known of its payloads and its clock.

pub(super) mod ahead;
mod error;
mod samples;
mod window;

pub use error::SourceError;

use super::{
    Samples,
    clock::{Clock, Knot, Stretch},
    identity::Identity,
    index::{Index, Key},
    making::Making,
    pcr::HERTZ,
    plan::Batch,
    prepared::Copy,
    scan::Scan,
};
use crate::{
    monotonic::{Seldom, now},
    stop::GoOn,
};
use ahead::{Front, Reader};
use rtp_common::checksum::payload_sum;
use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use window::{WORTH_FETCHING, Window};

/// Where a source's clock comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Nowhere.
    None,
    /// It is given.
    Even(Arc<Clock>),
    /// From the index.
    Pcr {
        /// Whether the file cannot be sent without one.
        needed: bool,
    },
}

/// The file, its index or the one in the making, and one batch's octets.
#[derive(Debug)]
pub struct Source {
    file: Arc<File>,
    path: PathBuf,
    identity: Identity,
    reader: Reader,
    front: Front,
    payload: usize,
    timing: Timing,
    needs_sums: bool,
    /// The index in the making, which other sources may have a part in.
    making: Option<Arc<Mutex<Making>>>,
    /// The index, once it is whole.
    index: Option<Arc<Index>>,
    /// The part of the clock that was last asked for.
    here: Option<Stretch>,
    /// Sums of the prepared batch.
    sums: Vec<u16>,
    window: Option<Window>,
    buffer: Vec<u8>,
    looked: Seldom,
    /// What it is to be a copy of.
    samples: Option<Samples>,
    /// What it is, if it is a prepared file. All octets that are spoken of are the source's then.
    copy: Option<Arc<Copy>>,
}

impl Source {
    /// The file `path`, which is the one that `key` names and stays so, in its
    /// payloads. `making` is wanted where sums or PCRs are.
    pub(crate) fn new(
        file: File,
        path: PathBuf,
        key: &Key,
        reader: Reader,
        timing: Timing,
        needs_sums: bool,
        making: Option<Arc<Mutex<Making>>>,
    ) -> Self {
        let mut source = Self {
            file: Arc::new(file),
            path,
            identity: key.identity,
            reader,
            front: Front::default(),
            payload: key.payload as usize,
            timing,
            needs_sums,
            making,
            index: None,
            here: None,
            sums: Vec::new(),
            window: None,
            buffer: Vec::new(),
            looked: Seldom::default(),
            samples: None,
            copy: None,
        };
        source.take_index();
        source
    }

    /// The prepared file `copy`.
    pub(crate) fn of_copy(copy: &Arc<Copy>, reader: Reader) -> io::Result<Self> {
        let timing = copy.clock().map_or(Timing::None, |clock| Timing::Even(Arc::clone(clock)));
        let (file, path, plan) = (copy.file().try_clone()?, copy.path().into(), copy.plan());
        let (from, to) = (plan.octet(0), plan.octet(u64::MAX));
        let key = Key { identity: copy.identity(), from, to, payload: plan.payload(), pid: None };
        let source = Self::new(file, path, &key, reader, timing, false, None);
        Ok(Self { copy: Some(Arc::clone(copy)), ..source })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes ready for `batch`, once for all flows: takes its sums where they
    /// are not known, and looks, now and then, whether the file is still the one
    /// that was indexed. What was sent since it was not is known when [`Self::check`]
    /// is called at the end.
    pub fn prepare(&mut self, batch: &Batch) -> Result<(), SourceError> {
        self.make_ready(&mut |_, _| true)?;
        if self.looked.is_due(now()) {
            self.check()?;
        }
        let at = self.copy.as_ref().map_or(batch.offset, |copy| copy.place(batch).start);
        self.front.advance(&self.reader, &self.file, at, self.identity.size);
        if let Some(copy) = &self.copy {
            copy.check(copy.place(batch), &mut self.buffer)?;
        }
        if !self.needs_sums {
            return Ok(());
        }
        self.sums.clear();
        let first = usize::try_from(batch.first).expect("an index fits the address space");
        if self.find_sums(first..first + batch.packets)? {
            if self.index.is_some() && batch.packets >= WORTH_FETCHING {
                self.warm(batch);
            }
            Ok(())
        } else {
            self.take_sums(batch)
        }
    }

    /// The payload sums of the prepared `batch`; none where nobody needs them.
    pub fn sums(&self, batch: &Batch) -> &[u16] {
        debug_assert!(self.sums.is_empty() || self.sums.len() == batch.packets, "{batch:?} is not prepared");
        &self.sums
    }

    /// The octets of `batch`.
    pub fn read(&mut self, batch: &Batch) -> Result<&[u8], SourceError> {
        self.make_ready(&mut |_, _| true)?;
        self.buffer.resize(batch.octets, 0);
        match self.file.read_exact_at(&mut self.buffer, batch.offset) {
            Ok(()) => Ok(&self.buffer),
            Err(source) => Err(self.read_error(source)),
        }
    }

    /// Ticks per second of the clock, if there is one.
    pub fn hertz(&self) -> Option<u32> {
        match &self.timing {
            Timing::None => None,
            Timing::Even(clock) => Some(clock.hertz()),
            Timing::Pcr { .. } => Some(HERTZ as u32),
        }
    }

    /// The straight part of the clock that `octet` lies on, of two that meet
    /// there the later; reads ahead as far as needed. `None`: there is no clock.
    pub fn stretch(&mut self, octet: u64) -> Result<Option<Stretch>, SourceError> {
        let holds = |part: &Stretch| part.from.octet <= octet && octet < part.to.octet;
        if !self.here.as_ref().is_some_and(holds) {
            let known = |clock: &Clock, whole| {
                if whole || clock.known() > octet { clock.stretch(octet) } else { None }
            };
            self.here = self.ask(&mut |_, _| true, known)?;
            self.tell_silence();
        }
        Ok(self.here)
    }

    /// Says where the clock has nothing to go by, for who plays it.
    fn tell_silence(&self) {
        if !matches!(self.timing, Timing::Pcr { .. }) || self.scan().is_none() {
            return;
        }
        if let Some(silence) = self.lock().and_then(|mut making| making.tell_silence()) {
            let path = self.path.display();
            tracing::warn!("{path}: {silence}: there the rate before goes on; --pace BITRATE gives another");
        }
    }

    /// The first octet that is due at `ticks` or later; `None` behind the end,
    /// or where there is no clock. Reads as far as needed; `go_on` is told octets
    /// done and octets in all.
    pub fn octet_at(&mut self, ticks: u64, go_on: &mut GoOn<'_>) -> Result<Option<u64>, SourceError> {
        let known = |clock: &Clock, whole| {
            let found = clock.octet_at(ticks);
            (whole || found.is_some()).then_some(found)
        };
        match (self.ask(go_on, known)?, &self.timing) {
            (None, Timing::Pcr { .. }) => Err(SourceError::NoTime { path: self.path.clone() }),
            (found, _) => Ok(found.flatten()),
        }
    }

    /// Whether there is a clock. PCRs tell once two of them give a rate: reads up to
    /// there, or to the end.
    pub fn has_clock(&mut self, go_on: &mut GoOn<'_>) -> Result<bool, SourceError> {
        let known = |clock: &Clock, whole| (whole || clock.known() > 0).then_some(());
        self.ask(go_on, known).map(|known| known.is_some())
    }

    /// The file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads to the end, so that all is known; says how far it is (octets done,
    /// octets in all).
    pub fn complete(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), SourceError> {
        while self.read_further()? {
            if let Some((done, all)) = self.progress() {
                progress(done, all);
            }
        }
        Ok(())
    }

    /// The same by one step; `false`: all was known.
    pub fn read_further(&mut self) -> Result<bool, SourceError> {
        let unknown = self.making.is_some() && self.index.is_none();
        if unknown {
            self.read_on()?;
        }
        Ok(unknown)
    }

    /// How long it lasts, ticks of the clock, as far as it is known; `None` where
    /// there is no clock.
    pub fn span(&self) -> Option<u64> {
        self.look(|clock, _| clock.span())
    }

    /// The knots of the clock, as far as it is known; none where there is none.
    pub fn knots(&self) -> Vec<Knot> {
        self.look(|clock, _| clock.knots().to_vec()).unwrap_or_default()
    }

    /// What was found in a transport stream, once all of it was read and if it
    /// was asked for.
    pub fn scan(&self) -> Option<&Scan> {
        self.index.as_ref().and_then(|index| index.scan())
    }

    /// Reads on until `answer` has one from the clock as it is known by then (and
    /// whether to the end), at the latest when it is known to the end. `None`: there
    /// is no clock, and none is needed.
    fn ask<T>(
        &mut self,
        go_on: &mut GoOn<'_>,
        answer: impl Fn(&Clock, bool) -> Option<T>,
    ) -> Result<Option<T>, SourceError> {
        loop {
            let ask = |clock: &Clock, whole| (answer(clock, whole), whole && clock.known() == 0);
            match self.look(ask) {
                None => return Ok(None),
                Some((_, true)) if self.timing == (Timing::Pcr { needed: false }) => return Ok(None),
                Some((_, true)) => return Err(SourceError::NoClock { path: self.path.clone() }),
                Some((Some(answer), _)) => return Ok(Some(answer)),
                Some((None, _)) => self.read_on()?,
            }
            if self.progress().is_some_and(|(done, all)| !go_on(done, all)) {
                return Err(SourceError::Stopped { path: self.path.clone() });
            }
        }
    }

    /// Shows `look` the clock as far as it is known, and whether that is to the
    /// end; `None`: there is none.
    fn look<T>(&self, look: impl FnOnce(&Clock, bool) -> T) -> Option<T> {
        match (&self.timing, self.scan()) {
            (Timing::None, _) => None,
            (Timing::Even(clock), _) => Some(look(clock, true)),
            (Timing::Pcr { .. }, Some(scan)) => Some(look(&scan.clock, true)),
            (Timing::Pcr { .. }, None) => {
                let making = self.lock()?;
                making.clock().map(|clock| look(clock, making.is_clock_whole()))
            }
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Making>> {
        self.making.as_ref().map(|making| making.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a little further what is not known.
    fn read_on(&mut self) -> Result<(), SourceError> {
        self.make_ready(&mut |_, _| true)?;
        let read = self.lock().map_or(Ok(()), |mut making| making.read_on(&self.file));
        read.map_err(|source| self.read_error(source))?;
        self.check()?;
        self.take_index();
        Ok(())
    }

    fn take_index(&mut self) {
        self.index = self.lock().and_then(|making| making.index().cloned());
    }

    /// Octets read, and octets to be read; `None`: nothing is.
    fn progress(&self) -> Option<(u64, u64)> {
        self.lock().map(|making| making.progress())
    }

    /// Sees to it that the file is still the one that is indexed.
    pub fn check(&self) -> Result<(), SourceError> {
        let now = Identity::of(&self.file).map_err(|source| self.read_error(source))?;
        // A new name or mode changes the inode only (ctime), not the octets.
        if (now.size, now.modified) == (self.identity.size, self.identity.modified) {
            Ok(())
        } else {
            Err(SourceError::Changed { path: self.path.clone() })
        }
    }

    /// Lays the sums of `packets` ready; `false`: they are not known.
    fn find_sums(&mut self, packets: Range<usize>) -> Result<bool, SourceError> {
        loop {
            let Self { index, making, sums, .. } = self;
            if let Some(index) = index {
                sums.extend_from_slice(&index.sums().expect("they were asked for")[packets]);
                return Ok(true);
            }
            let making = making.as_ref().expect("sums are needed");
            let making = making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = making.sums().get(packets.clone()) {
                sums.extend_from_slice(known);
                return Ok(true);
            }
            // A batch behind all that is known, after a jump, is no reason to
            // read all that is between.
            if packets.start > making.sums().len() {
                return Ok(false);
            }
            drop(making);
            self.read_on()?;
        }
    }

    fn take_sums(&mut self, batch: &Batch) -> Result<(), SourceError> {
        self.read(batch)?;
        self.sums.extend(self.buffer.chunks(self.payload).map(payload_sum));
        Ok(())
    }

    /// Has the first cache line of each payload fetched. The program takes
    /// eight octets of each through the kernel's mapping of the same page, one
    /// after the other; fetched here they come side by side (measured: a tenth
    /// of the whole cost of a packet).
    fn warm(&mut self, batch: &Batch) {
        let end = batch.offset + batch.octets as u64;
        if !self.window.as_ref().is_some_and(|window| window.holds(batch.offset, end)) {
            self.window = Window::map(&self.file, self.identity.size, batch.offset);
        }
        if let Some(window) = &mut self.window {
            window.fetch((batch.offset..end).step_by(self.payload), end);
        }
    }

    /// What it means that reading failed.
    fn read_error(&self, source: io::Error) -> SourceError {
        let path = self.path.clone();
        if source.kind() == io::ErrorKind::UnexpectedEof {
            SourceError::Changed { path }
        } else {
            SourceError::Read { path, source }
        }
    }
}

#[cfg(test)]
mod tests;
