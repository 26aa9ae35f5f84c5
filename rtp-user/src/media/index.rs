//! The index: what is kept of a file that was read once, so that the next play
//! need not read it ahead of the send.
//!
//! It holds the 16-bit one's-complement sum of each packet's payload
//! ([`rtp_common::checksum::payload_sum`]), in a file of its own in the user's
//! cache: a header, then the sums, all in the machine's byte order. An index
//! that does not fit the media file, or is damaged, is as good as none.

use super::{identity::Identity, plan::Plan};
use bytemuck::{Pod, Zeroable};
use std::{
    ffi::OsString,
    fs::{DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// First octets of an index, with the version of its form. Written by a machine
/// of the other byte order it reads as something else, as it should.
const MAGIC: u64 = u64::from_be_bytes(*b"krtpsum\x01");
/// Sums that are made room for before any are known.
const FORESEEN: u64 = 1 << 16;

/// What stands before the sums in an index file.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Header {
    /// [`MAGIC`].
    magic: u64,
    /// The media file.
    identity: Identity,
    /// How many sums follow.
    count: u64,
    /// Payload octets of a packet.
    payload: u32,
    /// CRC-32 (IEEE 802.3) of the sums' octets.
    check: u32,
}

const _: () = assert!(size_of::<Header>() == 64);

/// Why an index could not be read or kept. None of them keeps a file from being played.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is one, but it cannot be read.
    #[error("the index {} cannot be read: {source}; remove it", path.display())]
    Read {
        /// The index.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory for it cannot be made.
    #[error("no index can be kept in {}: {source}; let XDG_CACHE_HOME name a directory that can be written", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("the index {} cannot be written: {source}; make its directory writable, with room for {octets} octets", path.display())]
    Write {
        /// The index.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// How large it is to be.
        octets: usize,
    },
    /// It may be of a content that the file no longer has.
    #[error("no index is kept in {}: the file was just being written; play it again later", path.display())]
    Unsettled {
        /// The directory.
        path: PathBuf,
    },
}

/// The payload sums of a file, for one payload size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    identity: Identity,
    payload: u32,
    sums: Vec<u16>,
    /// Whether the file's content cannot have changed under its identity since.
    settled: bool,
}

impl Index {
    /// The index in `dir` for the file of that identity cut into packets of
    /// `payload` octets; `None` if there is none that fits.
    pub fn load(dir: &Path, identity: Identity, payload: u32) -> Result<Option<Self>, IndexError> {
        let Ok(plan) = Plan::new(identity.size, payload) else { return Ok(None) };
        let path = dir.join(file_name(&identity, payload));
        let sums = match read_sums(&path, &identity, payload, plan.packets()) {
            Err(error) if is_absence(&error) => None,
            sums => sums.map_err(|source| IndexError::Read { path, source })?,
        };
        Ok(sums.map(|sums| Self { identity, payload, sums, settled: true }))
    }

    /// Keeps the index in `dir`, which is made if need be. It replaces an older
    /// one whole, or not at all.
    pub fn store(&self, dir: &Path) -> Result<(), IndexError> {
        if !self.settled {
            return Err(IndexError::Unsettled { path: dir.into() });
        }
        // Mode as the XDG base directory specification wants it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| IndexError::Directory { path: dir.into(), source })?;
        let path = dir.join(file_name(&self.identity, self.payload));
        let octets = size_of::<Header>() + size_of_val(self.sums.as_slice());
        self.write(dir, &path).map_err(|source| IndexError::Write { path, source, octets })
    }

    /// One sum per packet.
    pub fn sums(&self) -> &[u16] {
        &self.sums
    }

    /// The file it is of.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Not synced to the disk: what a crash leaves of it fails its check.
    fn write(&self, dir: &Path, path: &Path) -> io::Result<()> {
        let sums: &[u8] = bytemuck::cast_slice(&self.sums);
        let header = Header {
            magic: MAGIC,
            identity: self.identity,
            count: self.sums.len() as u64,
            payload: self.payload,
            check: crc32fast::hash(sums),
        };
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytemuck::bytes_of(&header))?;
        file.write_all(sums)?;
        file.persist(path)?;
        Ok(())
    }
}

/// One per media file and payload size, so that a rewritten file's index takes
/// the place of its old one.
fn file_name(identity: &Identity, payload: u32) -> String {
    format!("{:x}-{:x}-{payload}.sums", identity.device, identity.inode)
}

/// The sums in the index at `path`, if it is whole and says what is expected.
/// Into memory rather than mapped: a mapping would die with `SIGBUS` if the file
/// were cut short.
fn read_sums(path: &Path, identity: &Identity, payload: u32, count: u64) -> io::Result<Option<Vec<u16>>> {
    let mut file = File::open(path)?;
    let status = file.metadata()?;
    let size = (size_of::<Header>() as u64).checked_add(count.saturating_mul(2));
    let (true, Ok(expected)) = (status.is_file() && size == Some(status.len()), usize::try_from(count))
    else {
        return Ok(None);
    };
    let mut header = Header::zeroed();
    file.read_exact(bytemuck::bytes_of_mut(&mut header))?;
    let check = header.check;
    if header != (Header { magic: MAGIC, identity: *identity, count, payload, check }) {
        return Ok(None);
    }
    let mut sums = vec![0u16; expected];
    file.read_exact(bytemuck::cast_slice_mut(&mut sums))?;
    let whole = crc32fast::hash(bytemuck::cast_slice(&sums)) == check;
    Ok(whole.then_some(sums))
}

/// Whether there simply is no index, or one that is being cut short.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}

/// Collects a file's sums while it is played for the first time.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    index: Index,
    packets: u64,
}

impl IndexBuilder {
    /// For `packets` sums of a file that has `identity` now, before any of it is read.
    pub fn new(identity: Identity, payload: u32, packets: u64) -> Self {
        Self::begun(identity, payload, packets, SystemTime::now())
    }

    fn begun(identity: Identity, payload: u32, packets: u64, now: SystemTime) -> Self {
        let foreseen = usize::try_from(packets.min(FORESEEN)).unwrap_or_default();
        let settled = identity.is_settled(now);
        let index = Index { identity, payload, sums: Vec::with_capacity(foreseen), settled };
        Self { index, packets }
    }

    /// Sums so far, hence the number of the packet whose sum is next.
    #[expect(clippy::len_without_is_empty, reason = "it is a position")]
    pub fn len(&self) -> u64 {
        self.index.sums.len() as u64
    }

    /// Adds the sums of the packets that follow.
    pub fn push(&mut self, sums: &[u16]) {
        self.index.sums.extend_from_slice(sums);
    }

    /// The index, if there is one sum for each packet.
    pub fn finish(self) -> Option<Index> {
        (self.len() == self.packets).then_some(self.index)
    }
}

/// Where indexes are kept: below `$XDG_CACHE_HOME` if that is an absolute path,
/// as the XDG base directory specification wants it, else below `$HOME/.cache`.
/// `None` if neither can be used.
pub fn cache_dir(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute(xdg_cache_home).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(cache.join("krtp"))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
