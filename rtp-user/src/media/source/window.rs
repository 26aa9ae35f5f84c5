//! The file in our address space, only to fetch through: nothing is read there,
//! so that a file that is cut short cannot harm us.

use super::ahead::STEP;
use memmap2::{Advice, Mmap, MmapOptions};
use std::fs::File;

/// Octets of the file that [`Window`] maps at a time: its page tables
/// take 2 MiB. Mappings are kept, since taking them down costs as much as
/// putting them up, and a loop comes back.
const WINDOW: u64 = 1 << 30;

/// Packets of a batch from which on fetching its payloads pays: a window costs page tables for [`STEP`] octets at once, which is
/// felt where a thousand paced streams begin together and send a few packets each. (Measured with 1,000 of 2 Mb/s: the
/// latest packet after 8 to 12 ms instead of 27 to 42.)
pub(super) const WORTH_FETCHING: usize = 8;

/// A part of the file in our address space, only to fetch through.
#[derive(Debug)]
pub(super) struct Window {
    /// Where in the file it begins.
    start: u64,
    /// Up to where in the file there are page table entries.
    populated: u64,
    map: Mmap,
}

impl Window {
    /// A window that begins with the page of `offset`, of a file of `size` octets.
    pub fn map(file: &File, size: u64, offset: u64) -> Option<Self> {
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

    pub fn holds(&self, from: u64, to: u64) -> bool {
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

    /// Fetches the cache lines at `offsets` of the file, in this window and
    /// before `end`.
    pub fn fetch(&mut self, offsets: impl Iterator<Item = u64>, end: u64) {
        self.populate(end);
        for offset in offsets {
            fetch(self.map.as_ptr().wrapping_add((offset - self.start) as usize));
        }
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
