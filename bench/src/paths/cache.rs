//! Taking the file out of the page cache.

use crate::media::Media;
use anyhow::{Context, ensure};
use memmap2::UncheckedAdvice;
use nix::libc;
use std::{ops::Range, os::fd::AsRawFd, ptr};

/// Octets of a page.
const PAGE: usize = 4096;
/// Of so many pages one may stay: those that others hold on to for a moment.
const ONE_OF: usize = 20;

/// Takes the payloads of `packets` out of the page cache; an error says that they stay there.
pub fn drop_payloads(media: &Media, packets: &Range<usize>) -> anyhow::Result<()> {
    let begin = packets.start * media.payload_len / PAGE * PAGE;
    let end = (packets.end * media.payload_len).next_multiple_of(PAGE).min(media.memory.len());
    // A page that is in a page table stays.
    // SAFETY: nobody has a reference into the mapping now; it is of a file, whose octets come back.
    unsafe { media.memory.unchecked_advise_range(UncheckedAdvice::DontNeed, begin, end - begin) }
        .context("MADV_DONTNEED")?;
    let (from, octets) = (i64::try_from(begin)?, i64::try_from(end - begin)?);
    // SAFETY: a descriptor and three numbers.
    let error =
        unsafe { libc::posix_fadvise(media.file.as_raw_fd(), from, octets, libc::POSIX_FADV_DONTNEED) };
    ensure!(error == 0, "POSIX_FADV_DONTNEED: {}", std::io::Error::from_raw_os_error(error));
    let there = resident(&media.memory[begin..end])?;
    let pages = (end - begin).div_ceil(PAGE);
    ensure!(
        there <= pages / ONE_OF,
        "{there} of {pages} pages of the file stay in the page cache: they are held, or TMPDIR is in memory"
    );
    Ok(())
}

/// Puts the whole file back.
pub fn fetch(media: &Media) -> anyhow::Result<()> {
    media.memory.advise(memmap2::Advice::PopulateRead).context("MADV_POPULATE_READ")
}

/// How many pages of `mapping`, which begins with one, are in the page cache.
fn resident(mapping: &[u8]) -> anyhow::Result<usize> {
    let mut pages = vec![0u8; mapping.len().div_ceil(PAGE)];
    let start = ptr::from_ref(mapping).cast::<libc::c_void>().cast_mut();
    // SAFETY: whole pages of a mapping, and an octet for each.
    let answer = unsafe { libc::mincore(start, mapping.len(), pages.as_mut_ptr()) };
    ensure!(answer == 0, "mincore: {}", std::io::Error::last_os_error());
    Ok(pages.iter().filter(|page| **page & 1 != 0).count())
}
