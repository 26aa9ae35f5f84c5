//! The file being sent, and what is known of its payloads.

use crate::media::{
    identity::Identity,
    index::{Index, IndexBuilder},
    plan::Batch,
};
use memmap2::{Advice, Mmap, MmapOptions};
use rtp_common::checksum::payload_sum;
use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf};

/// Octets of the file that [`Source::warm`] maps at a time: its page tables
/// take 2 MiB. Mappings are kept, since taking them down costs as much as
/// putting them up, and a loop comes back.
const WINDOW: u64 = 1 << 30;
/// Octets of a window that are put into the page tables at a time.
const STEP: u64 = 2 << 20;

/// The file cannot be sent any further.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It was written to, or cut short.
    #[error("{path} changed while it was being sent: start again when it is complete")]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// The file, its index or the one in the making, and one batch's octets.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: PathBuf,
    identity: Identity,
    sums: Sums,
    window: Option<Window>,
    buffer: Vec<u8>,
    payload: usize,
}

/// A part of the file in our address space, only to fetch through.
#[derive(Debug)]
struct Window {
    /// Where in the file it begins.
    start: u64,
    /// Up to where in the file there are page table entries.
    populated: u64,
    map: Mmap,
}

impl Window {
    /// A window that begins with the page of `offset`, of a file of `size` octets.
    fn map(file: &File, size: u64, offset: u64) -> Option<Self> {
        let start = offset & !0xfff;
        let length = WINDOW.min(size.checked_sub(start)?) as usize;
        // SAFETY: the mapping is never read, only fetched from, which cannot
        // fault: what others do to the file does not matter.
        let map = unsafe { MmapOptions::new().offset(start).len(length).map(file) }.ok()?;
        Some(Self { start, populated: start, map })
    }

    fn end(&self) -> u64 {
        self.start + self.map.len() as u64
    }

    fn holds(&self, from: u64, to: u64) -> bool {
        self.start <= from && to <= self.end()
    }

    /// Puts pages up to `end` of the file into the page tables: without an
    /// entry there is nothing to fetch through. A page that cannot be had is
    /// not fetched from, and that is all.
    fn populate(&mut self, end: u64) {
        while self.populated < end {
            let length = STEP.min(self.end() - self.populated);
            let from = (self.populated - self.start) as usize;
            let _ = self.map.advise_range(Advice::PopulateRead, from, length as usize);
            self.populated += length;
        }
    }
}

/// Where payload sums come from.
#[derive(Debug)]
pub enum Sums {
    /// Nobody needs them.
    None,
    /// The index knows them all.
    Known(Index),
    /// First play: they are taken batch by batch ahead of the send, and kept.
    Taken {
        /// The index in the making, during the first play.
        builder: Option<IndexBuilder>,
        /// Those of the batch in hand.
        batch: Vec<u16>,
    },
}

impl Source {
    /// The file `path`, which is `identity` and stays so, in payloads of
    /// `payload` octets.
    pub fn new(file: File, path: PathBuf, identity: Identity, payload: u32, sums: Sums) -> Self {
        Self { file, path, identity, sums, window: None, buffer: Vec::new(), payload: payload as usize }
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes ready for `batch`, once for all flows: takes its sums where they
    /// are not known, and finds out whether the file is still the one that was
    /// indexed.
    pub fn prepare(&mut self, batch: &Batch) -> Result<(), SourceError> {
        let now = Identity::of(&self.file).map_err(|source| self.read_error(source))?;
        // A new name or mode changes the inode only (ctime), not the octets.
        if (now.size, now.modified) != (self.identity.size, self.identity.modified) {
            return Err(SourceError::Changed { path: self.path.clone() });
        }
        match self.sums {
            Sums::None => Ok(()),
            Sums::Known(_) => {
                self.warm(batch);
                Ok(())
            }
            Sums::Taken { .. } => self.take_sums(batch),
        }
    }

    /// The payload sums of the prepared `batch`.
    pub fn sums(&self, batch: &Batch) -> &[u16] {
        match &self.sums {
            Sums::None => &[],
            Sums::Known(index) => {
                let first = usize::try_from(batch.first).expect("an index fits the address space");
                &index.sums()[first..first + batch.packets]
            }
            Sums::Taken { batch, .. } => batch,
        }
    }

    /// The octets of `batch`.
    pub fn read(&mut self, batch: &Batch) -> Result<&[u8], SourceError> {
        self.buffer.resize(batch.octets, 0);
        self.file.read_exact_at(&mut self.buffer, batch.offset).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                SourceError::Changed { path: self.path.clone() }
            } else {
                self.read_error(source)
            }
        })?;
        Ok(&self.buffer)
    }

    /// The index, if this play completed one.
    pub fn take_index(&mut self) -> Option<Index> {
        match &mut self.sums {
            Sums::Taken { builder, .. } => builder.take().and_then(IndexBuilder::finish),
            _ => None,
        }
    }

    /// From now on sums come from `index`.
    pub fn use_index(&mut self, index: Index) {
        self.sums = Sums::Known(index);
    }

    fn take_sums(&mut self, batch: &Batch) -> Result<(), SourceError> {
        let payload = self.payload;
        self.read(batch)?;
        if let Sums::Taken { builder, batch: sums } = &mut self.sums {
            sums.clear();
            sums.extend(self.buffer.chunks(payload).map(payload_sum));
            if let Some(index) = builder {
                index.push(sums);
            }
        }
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
            window.populate(end);
            for offset in (batch.offset..end).step_by(self.payload) {
                fetch(window.map.as_ptr().wrapping_add((offset - window.start) as usize));
            }
        }
    }

    fn read_error(&self, source: io::Error) -> SourceError {
        SourceError::Read { path: self.path.clone(), source }
    }
}

#[cfg(target_arch = "x86_64")]
fn fetch(address: *const u8) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint, which no address makes fault.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

/// No stable intrinsic for this machine: the program fetches by itself.
#[cfg(not(target_arch = "x86_64"))]
fn fetch(_address: *const u8) {}
