//! The index: what is kept of a file that was read once, so that the next play
//! need not read it ahead of the send.
//!
//! It holds the 16-bit one's-complement sum of each packet's payload
//! ([`rtp_common::checksum::payload_sum`]) and what [`super::scan`] has found, either
//! if it was asked for, in a file of its own in the user's cache: a header, then
//! programmes, knots and sums, all in the machine's byte order. An index that does
//! not fit the media file, or is damaged, is as good as none.

use super::{
    bound::{self, Bound},
    clock::{Clock, Knot},
    identity::Identity,
    pcr::HERTZ,
    psi::Programme,
    scan::{Counts, Scan},
};
use bytemuck::{Pod, Zeroable};
use std::{
    ffi::OsString,
    fs::{DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// First octets of an index, with the version of its form and of what the scan makes of a file. Written by a machine
/// of the other byte order it reads as something else, as it should.
const MAGIC: u64 = u64::from_be_bytes(*b"krtpidx\x03");
/// What the names of indexes end in.
const ENDING: &str = ".index";
/// Stands for no PID.
const NO_PID: u32 = u32::MAX;

/// Which index: of which octets, cut and read in which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The media file.
    pub identity: Identity,
    /// First octet of what is sent of it.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// Payload octets of a packet.
    pub payload: u32,
    /// PID of the PCRs, where the user named one.
    pub pid: Option<u16>,
}

/// What stands before everything else in an index file.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Header {
    /// [`MAGIC`].
    magic: u64,
    /// [`Key`], with [`NO_PID`] for no PID.
    identity: Identity,
    from: u64,
    to: u64,
    payload: u32,
    wanted_pid: u32,
    /// PID of the clock's PCRs, or [`NO_PID`].
    pid: u32,
    /// Whether there is a scan: 1, else 0.
    scanned: u32,
    counts: Counts,
    /// How many follow.
    programmes: u64,
    knots: u64,
    sums: u64,
    /// CRC-32 (IEEE 802.3) of all octets, with zero here.
    check: u64,
}

const _: () = assert!(size_of::<Header>() == 232);

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
    /// Others cannot be removed to make room.
    #[error("cannot keep {} within its size: {source}; remove what is in it by hand", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It may be of a content that the file no longer has.
    #[error("no index is kept in {}: the file was just being written; play it again later", path.display())]
    Unsettled {
        /// The directory.
        path: PathBuf,
    },
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    key: Key,
    sums: Option<Vec<u16>>,
    scan: Option<Scan>,
    /// Whether the file's content cannot have changed under its identity since.
    settled: bool,
}

impl Index {
    /// `sums`: one for each packet. `settled`: [`Identity::is_settled`] when
    /// reading began.
    pub fn new(key: Key, sums: Option<Vec<u16>>, scan: Option<Scan>, settled: bool) -> Self {
        Self { key, sums, scan, settled }
    }

    /// The index in `dir` for `key`; `None` if there is none that fits.
    pub fn load(dir: &Path, key: Key) -> Result<Option<Self>, IndexError> {
        let path = dir.join(file_name(&key));
        match read(&path, key) {
            Err(error) if is_absence(&error) => Ok(None),
            index => index.map_err(|source| IndexError::Read { path, source }),
        }
    }

    /// Keeps the index in `dir`, which is made if need be. It replaces an older
    /// one whole, or not at all. Others go where all take more than `bound` has room for.
    pub fn store(&self, dir: &Path, bound: &Bound) -> Result<(), IndexError> {
        if !self.settled {
            return Err(IndexError::Unsettled { path: dir.into() });
        }
        // Mode as the XDG base directory specification wants it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| IndexError::Directory { path: dir.into(), source })?;
        let path = dir.join(file_name(&self.key));
        let (header, parts) = self.parts();
        let octets = size_of::<Header>() + parts.iter().map(|part| part.len()).sum::<usize>();
        let written = write(dir, &path, &header, &parts);
        written.map_err(|source| IndexError::Write { path: path.clone(), source, octets })?;
        match bound.added(dir, ENDING, &path, octets as u64) {
            Ok(0) => {}
            Ok(removed) => tracing::info!("{removed} old indexes removed from {}", dir.display()),
            Err(source) => return Err(IndexError::Full { path: dir.into(), source }),
        }
        Ok(())
    }

    /// One sum per packet, if they were asked for.
    pub fn sums(&self) -> Option<&[u16]> {
        self.sums.as_deref()
    }

    /// The clock and all that goes with it, if they were asked for.
    pub fn scan(&self) -> Option<&Scan> {
        self.scan.as_ref()
    }

    /// Sums and scan.
    pub fn into_parts(self) -> (Option<Vec<u16>>, Option<Scan>) {
        (self.sums, self.scan)
    }

    fn parts(&self) -> (Header, [&[u8]; 3]) {
        let scan = self.scan.as_ref();
        let programmes = scan.map_or(&[][..], |scan| &scan.programmes);
        let knots = scan.map_or(&[][..], |scan| scan.clock.knots());
        let sums = self.sums.as_deref().unwrap_or_default();
        let parts: [&[u8]; 3] =
            [bytemuck::cast_slice(programmes), bytemuck::cast_slice(knots), bytemuck::cast_slice(sums)];
        let mut header = Header {
            pid: scan.and_then(|scan| scan.pid).map_or(NO_PID, u32::from),
            scanned: scan.is_some().into(),
            counts: scan.map(|scan| scan.counts).unwrap_or_default(),
            programmes: programmes.len() as u64,
            knots: knots.len() as u64,
            sums: sums.len() as u64,
            ..Header::of(&self.key)
        };
        header.check = check(&header, &parts);
        (header, parts)
    }
}

impl Header {
    /// What an index of that key begins with; nothing in it.
    fn of(key: &Key) -> Self {
        Self {
            magic: MAGIC,
            identity: key.identity,
            from: key.from,
            to: key.to,
            payload: key.payload,
            wanted_pid: key.pid.map_or(NO_PID, u32::from),
            ..Self::zeroed()
        }
    }

    /// Octets of an index that begins so, if any can.
    fn octets(&self) -> Option<u64> {
        let part = |count: u64, each: usize| count.checked_mul(each as u64);
        (size_of::<Self>() as u64)
            .checked_add(part(self.programmes, size_of::<Programme>())?)?
            .checked_add(part(self.knots, size_of::<Knot>())?)?
            .checked_add(part(self.sums, size_of::<u16>())?)
    }

    /// Whether it is of `key`, with a sum for each packet or none.
    fn is_of(&self, key: &Key) -> bool {
        let expected = Self::of(key);
        let packets = (key.to - key.from).div_ceil(key.payload.max(1).into());
        self.magic == MAGIC
            && self.identity == expected.identity
            && (self.from, self.to) == (expected.from, expected.to)
            && (self.payload, self.wanted_pid) == (expected.payload, expected.wanted_pid)
            && (self.sums == 0 || self.sums == packets)
    }
}

/// CRC of an index whose `check` is whatever it is.
fn check(header: &Header, parts: &[&[u8]]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytemuck::bytes_of(&Header { check: 0, ..*header }));
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Not synced to the disk: what a crash leaves of it fails its check.
fn write(dir: &Path, path: &Path, header: &Header, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytemuck::bytes_of(header))?;
    for part in parts {
        file.write_all(part)?;
    }
    file.persist(path)?;
    Ok(())
}

/// One per media file, payload size and PID, so that a rewritten file's index
/// takes the place of its old one.
fn file_name(key: &Key) -> String {
    let pid = key.pid.map_or_else(String::new, |pid| format!("-pid{pid}"));
    format!("{:x}-{:x}-{}{pid}{ENDING}", key.identity.device, key.identity.inode, key.payload)
}

/// The index at `path`, if it is whole and says what is expected.
/// Into memory rather than mapped: a mapping would die with `SIGBUS` if the file
/// were cut short.
fn read(path: &Path, key: Key) -> io::Result<Option<Index>> {
    let mut file = File::open(path)?;
    let status = file.metadata()?;
    if !status.is_file() {
        return Ok(None);
    }
    let mut header = Header::zeroed();
    file.read_exact(bytemuck::bytes_of_mut(&mut header))?;
    if !header.is_of(&key) || header.octets() != Some(status.len()) {
        return Ok(None);
    }
    let programmes: Vec<Programme> = read_part(&mut file, header.programmes)?;
    let knots: Vec<Knot> = read_part(&mut file, header.knots)?;
    let sums: Vec<u16> = read_part(&mut file, header.sums)?;
    let parts: [&[u8]; 3] =
        [bytemuck::cast_slice(&programmes), bytemuck::cast_slice(&knots), bytemuck::cast_slice(&sums)];
    let whole = check(&header, &parts) == header.check;
    let Some(clock) = Clock::of(HERTZ as u32, knots).filter(|_| whole) else { return Ok(None) };
    let pid = u16::try_from(header.pid).ok();
    bound::touch(&file);
    let scan = (header.scanned == 1).then_some(Scan { pid, clock, counts: header.counts, programmes });
    Ok(Some(Index { key, sums: (header.sums > 0).then_some(sums), scan, settled: true }))
}

/// `count` of them, which the file is known to hold.
fn read_part<T: Pod>(file: &mut File, count: u64) -> io::Result<Vec<T>> {
    let count = usize::try_from(count).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let mut part = vec![T::zeroed(); count];
    file.read_exact(bytemuck::cast_slice_mut(&mut part))?;
    Ok(part)
}

/// Whether there simply is no index, or one that is being cut short.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}

/// Where indexes are kept: below `$XDG_CACHE_HOME` if that is an absolute path,
/// as the XDG base directory specification wants it, else below `$HOME/.cache`.
/// `None` if neither can be used.
pub fn cache_dir(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute(xdg_cache_home).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(cache.join("krtp"))
}

/// The same of this process's environment.
pub fn user_cache_dir() -> Option<PathBuf> {
    cache_dir(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
