//! An index in the making: a file is read ahead once, for its sums and for its
//! clock, by whoever needs more of it than is known.

use super::{
    clock::Clock,
    index::{Index, Key},
    plan::Plan,
    scan::{Scan, Scanner},
    silence::Silence,
};
use rtp_common::checksum::payload_sum;
use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc, time::SystemTime};

/// Octets read at a time, about. They stay in the processor's cache between the
/// two that go through them, and each index in the making has a buffer of this
/// size: a thousand files may be played for the first time at once.
const CHUNK: u64 = 64 << 10;

/// An index, and how far it is.
#[derive(Debug)]
pub struct Making {
    key: Key,
    plan: Plan,
    settled: bool,
    sums: Sums,
    scan: Scanning,
    /// There from the beginning, or once all is known.
    index: Option<Arc<Index>>,
    /// Whether it knows more than the cache.
    fresh: bool,
    /// Whether somebody was told where the clock is silent.
    told: bool,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Sums {
    Unwanted,
    Taking(Vec<u16>),
    Taken(Vec<u16>),
}

#[derive(Debug)]
enum Scanning {
    Unwanted,
    Going(Box<Scanner>, u64),
    Done(Scan),
}

impl Making {
    /// Of the file `key` is of, cut as `plan` says; `known`: what the cache has
    /// of it. Nothing of the file has been read under this identity before `now`.
    pub fn new(key: Key, plan: Plan, known: Option<Index>, now: SystemTime) -> Self {
        let (sums, scan) = known.map(Index::into_parts).unwrap_or_default();
        Self {
            key,
            plan,
            settled: key.identity.is_settled(now),
            sums: sums.map_or(Sums::Unwanted, Sums::Taken),
            scan: scan.map_or(Scanning::Unwanted, Scanning::Done),
            index: None,
            fresh: false,
            told: false,
            buffer: Vec::new(),
        }
    }

    /// Somebody needs `sums`, somebody needs the `clock`.
    pub fn want(&mut self, sums: bool, clock: bool) {
        let serves =
            |index: &Arc<Index>| (!sums || index.sums().is_some()) && (!clock || index.scan().is_some());
        if self.index.as_ref().is_some_and(serves) {
            return;
        }
        if let Some(index) = self.index.take() {
            let (sums, scan) = Arc::unwrap_or_clone(index).into_parts();
            self.sums = sums.map_or(Sums::Unwanted, Sums::Taken);
            self.scan = scan.map_or(Scanning::Unwanted, Scanning::Done);
        }
        if sums && matches!(self.sums, Sums::Unwanted) {
            self.sums = Sums::Taking(Vec::new());
        }
        if clock && matches!(self.scan, Scanning::Unwanted) {
            let scanner = Scanner::new(self.key.from..self.key.to, self.key.pid);
            self.scan = Scanning::Going(Box::new(scanner), self.key.from);
        }
        self.settle();
    }

    /// The index, once all that anybody needs is known.
    pub fn index(&self) -> Option<&Arc<Index>> {
        self.index.as_ref()
    }

    /// The index, if it knows more than the cache has been told; from now on
    /// the cache knows it.
    pub fn take_fresh(&mut self) -> Option<Arc<Index>> {
        let fresh = self.index.clone().filter(|_| self.fresh)?;
        self.fresh = false;
        Some(fresh)
    }

    /// Where the clock is silent, once that is known; the first who asks is told, so that it is
    /// said once, however many play the file.
    pub fn tell_silence(&mut self) -> Option<Silence> {
        let silence = self.index.as_ref()?.scan()?.silence().filter(|_| !self.told)?;
        self.told = true;
        Some(silence)
    }

    /// The sums that are known, those of the first packets.
    pub fn sums(&self) -> &[u16] {
        match (&self.index, &self.sums) {
            (Some(index), _) => index.sums().unwrap_or_default(),
            (None, Sums::Taking(sums) | Sums::Taken(sums)) => sums,
            (None, Sums::Unwanted) => &[],
        }
    }

    /// The clock, as far as it is known.
    pub fn clock(&self) -> Option<&Clock> {
        match (&self.index, &self.scan) {
            (Some(index), _) => index.scan().map(|scan| &scan.clock),
            (None, Scanning::Going(scanner, _)) => Some(scanner.clock()),
            (None, Scanning::Done(scan)) => Some(&scan.clock),
            (None, Scanning::Unwanted) => None,
        }
    }

    /// Whether the clock is known to its end.
    pub fn is_clock_whole(&self) -> bool {
        self.index.is_some() || matches!(self.scan, Scanning::Done(_))
    }

    /// Octets of the file that nobody needs to read again, and all.
    pub fn progress(&self) -> (u64, u64) {
        let (from, to) = (self.key.from, self.key.to);
        let front = [self.sums_front(), self.scan_front()].into_iter().flatten().min();
        (front.unwrap_or(to) - from, to - from)
    }

    /// Where the next sum's packet begins; `None` if none is to be taken.
    fn sums_front(&self) -> Option<u64> {
        match &self.sums {
            Sums::Taking(sums) if self.index.is_none() => Some(self.plan.octet(sums.len() as u64)),
            _ => None,
        }
    }

    fn scan_front(&self) -> Option<u64> {
        match &self.scan {
            Scanning::Going(_, front) if self.index.is_none() => Some(*front),
            _ => None,
        }
    }

    /// Reads `file` a little further, where less of it is known. An end before
    /// the expected one is an error of kind `UnexpectedEof`.
    pub fn read_on(&mut self, file: &File) -> io::Result<()> {
        let (sums, scan) = (self.sums_front(), self.scan_front());
        let fronts = [sums, scan].into_iter().flatten();
        let Some(front) = fronts.clone().min() else { return Ok(()) };
        // Up to where the other one is, so that they go on together.
        let other = fronts.filter(|&other| other > front).min().unwrap_or(u64::MAX);
        let payload = u64::from(self.plan.payload());
        let whole = (CHUNK / payload).max(1) * payload;
        let end = (front + whole).min(other).min(self.key.to);
        self.buffer.resize((end - front) as usize, 0);
        file.read_exact_at(&mut self.buffer, front)?;
        if let (Scanning::Going(scanner, at), true) = (&mut self.scan, scan == Some(front)) {
            scanner.push(&self.buffer);
            *at = end;
        }
        if let (Sums::Taking(known), true) = (&mut self.sums, sums == Some(front)) {
            known.extend(whole_payloads(&self.buffer, payload as usize, end == self.key.to).map(payload_sum));
        }
        self.settle();
        Ok(())
    }

    /// Whatever has come to its end is whole.
    fn settle(&mut self) {
        if let Sums::Taking(sums) = &mut self.sums
            && sums.len() as u64 == self.plan.packets()
        {
            self.sums = Sums::Taken(std::mem::take(sums));
            self.fresh = true;
        }
        self.scan = match std::mem::replace(&mut self.scan, Scanning::Unwanted) {
            Scanning::Going(scanner, at) if at == self.key.to => {
                self.fresh = true;
                Scanning::Done(scanner.finish())
            }
            other => other,
        };
        if self.index.is_none() && self.sums_front().is_none() && self.scan_front().is_none() {
            self.buffer = Vec::new();
            let sums = match std::mem::replace(&mut self.sums, Sums::Unwanted) {
                Sums::Taken(sums) => Some(sums),
                Sums::Unwanted | Sums::Taking(_) => None,
            };
            let scan = match std::mem::replace(&mut self.scan, Scanning::Unwanted) {
                Scanning::Done(scan) => Some(scan),
                Scanning::Unwanted | Scanning::Going(..) => None,
            };
            self.index = Some(Arc::new(Index::new(self.key, sums, scan, self.settled)));
        }
    }
}

/// The payloads in `octets`; one that is cut off only at the file's end.
fn whole_payloads(octets: &[u8], payload: usize, end: bool) -> impl Iterator<Item = &[u8]> {
    octets.chunks(payload).filter(move |chunk| end || chunk.len() == payload)
}
