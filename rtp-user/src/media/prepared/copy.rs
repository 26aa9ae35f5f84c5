//! A prepared file that is open: looked at once, and each block of its packets
//! once before it is sent.

use super::{
    error::{CopyError, Damage},
    format::{self, BLOCK, BadHead, HEAD, Head, Numbers},
};
use crate::media::{
    Media,
    clock::Clock,
    identity::Identity,
    plan::{Batch, Plan},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is read at a time for a sum: it stays in the processor's second cache, beside what the kernel copies it from.
const PIECE: usize = 64 << 10;

/// Whether the file at `path` begins as prepared files do. What is no regular
/// file, or cannot be read, does not.
pub fn is_prepared(path: &Path) -> bool {
    let mut magic = [0; format::MAGIC.len()];
    // Opening a FIFO would wait.
    fs::metadata(path).is_ok_and(|status| status.is_file())
        && File::open(path).is_ok_and(|file| file.read_exact_at(&mut magic, 0).is_ok())
        && magic == format::MAGIC
}

/// A prepared file, for all streams of a process that send it.
#[derive(Debug)]
pub struct Copy {
    file: File,
    path: PathBuf,
    identity: Identity,
    head: Head,
    plan: Plan,
    clock: Option<Arc<Clock>>,
    sums: Vec<u32>,
    /// Which blocks were found to be as they were written.
    sound: Vec<AtomicBool>,
    /// Whether it is one that krtp made by itself, and makes again when it is gone.
    cached: bool,
}

impl Copy {
    /// Opens the prepared file at `path`, looks at all of it but its packets, and
    /// marks it as in use as long as it is open.
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        let failed = |source| CopyError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        // Where there are no locks there is nobody to be told.
        let _ = flock(&file, FlockOperation::NonBlockingLockShared);
        let identity = Identity::of(&file).map_err(failed)?;
        let head = read_head(&file, path, identity.size)?;
        let damaged =
            |what| CopyError::Damaged { path: path.into(), what, source_path: Some(head.source.clone()) };
        let octets = head.octets().unwrap_or_default();
        if octets != identity.size {
            return Err(damaged(Damage::Length { has: identity.size, octets }));
        }
        let from = HEAD as u64 + head.packet_octets();
        let mut end = vec![0; (octets - from) as usize];
        file.read_exact_at(&mut end, from).map_err(failed)?;
        let (knots, sums) = format::decode_end(&head, &end).ok_or_else(|| damaged(Damage::End { from }))?;
        let clock = match head.kind.timing.hertz {
            0 => None,
            // PCRs that gave no rate.
            _ if knots.is_empty() => None,
            hertz => Some(Arc::new(Clock::of(hertz, knots).ok_or_else(|| damaged(Damage::End { from }))?)),
        };
        let plan = head.kind.plan().map_err(|_| damaged(Damage::Head))?;
        let sound = sums.iter().map(|_| AtomicBool::new(false)).collect();
        let cached = false;
        Ok(Self { file, path: path.into(), identity, head, plan, clock, sums, sound, cached })
    }

    /// The same of a copy in a cache: one that is found to be damaged is removed.
    pub fn open_cached(path: &Path) -> Result<Self, CopyError> {
        Ok(Self { cached: true, ..Self::open(path)? })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which content of it this is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// What it says of itself.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How its source was cut.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// The clock of its source; none: all timestamps are alike.
    pub fn clock(&self) -> Option<&Arc<Clock>> {
        self.clock.as_ref()
    }

    /// What is sent, as if it were its source. Octets are the source's.
    pub fn media(&self) -> Media {
        let kind = &self.head.kind;
        Media {
            payload_type: kind.payload_type,
            clock_rate: kind.clock_rate,
            payload: kind.payload,
            unit: kind.unit,
            encoding: kind.encoding,
            octets: kind.octets.clone(),
            // Samples make a clock that counts as RTP's does; a bit rate, or PCRs, count otherwise.
            clock: self.clock.as_deref().filter(|clock| clock.hertz() == kind.clock_rate).cloned(),
            identity: self.identity,
            samples: None,
            has_pcrs: false,
            pcr_pid: None,
            pcr: None,
        }
    }

    /// Where in the file the packets of `batch` stand, which is counted in octets of the source.
    pub fn place(&self, batch: &Batch) -> Range<u64> {
        Head::place(self.plan.payload(), batch.first, batch.packets, batch.octets)
    }

    /// The numbers in the header of `packet`.
    pub fn numbers_of(&self, packet: u64) -> io::Result<Numbers> {
        let mut header = [0; rtp_common::header::LEN];
        self.file.read_exact_at(&mut header, Head::place(self.plan.payload(), packet, 0, 0).start)?;
        let [_, _, s0, s1, t0, t1, t2, t3, rest @ ..] = header;
        Ok(Numbers {
            ssrc: u32::from_be_bytes(rest),
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        })
    }

    /// Sees to it that the octets of `place` are as they were written, which is
    /// looked at once for all who send them. `buffer`: for a block.
    pub fn check(&self, place: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), CopyError> {
        let head = HEAD as u64;
        let first = (place.start - head) / BLOCK;
        for block in first..(place.end - head).div_ceil(BLOCK) {
            let number = usize::try_from(block).expect("sums fit the address space");
            // What is marked is so for good; no other memory hangs on it.
            if !self.sound[number].load(Ordering::Relaxed) {
                self.check_block(number, buffer)?;
                self.sound[number].store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// The same of the whole file.
    pub fn check_all(&self, mut progress: impl FnMut(u64, u64)) -> Result<(), CopyError> {
        let mut buffer = Vec::new();
        for block in 0..self.sums.len() {
            self.check_block(block, &mut buffer)?;
            progress(block as u64 + 1, self.sums.len() as u64);
        }
        Ok(())
    }

    fn check_block(&self, block: usize, buffer: &mut Vec<u8>) -> Result<(), CopyError> {
        let from = block as u64 * BLOCK;
        let to = self.head.packet_octets().min(from + BLOCK);
        let (from, to) = (HEAD as u64 + from, HEAD as u64 + to);
        if self.sum(from..to, buffer)? == self.sums[block] {
            return Ok(());
        }
        let (path, what) = (self.path.clone(), Damage::Block { from, to: to - 1 });
        // Another may have its name by now.
        let is_this = |status: fs::Metadata| {
            (status.dev(), status.ino()) == (self.identity.device, self.identity.inode)
        };
        if self.cached && fs::metadata(&path).is_ok_and(is_this) && fs::remove_file(&path).is_ok() {
            return Err(CopyError::Removed { path, what });
        }
        Err(CopyError::Damaged { path, what, source_path: Some(self.head.source.clone()) })
    }

    /// The sum of some octets of the file.
    fn sum(&self, place: Range<u64>, buffer: &mut Vec<u8>) -> Result<u32, CopyError> {
        let mut hasher = crc32fast::Hasher::new();
        buffer.resize(PIECE, 0);
        for from in place.clone().step_by(PIECE) {
            let piece = &mut buffer[..PIECE.min((place.end - from) as usize)];
            // Read, not mapped: a mapping would die with `SIGBUS` if the file were cut short.
            let read = self.file.read_exact_at(piece, from);
            read.map_err(|source| CopyError::Read { path: self.path.clone(), source })?;
            hasher.update(piece);
        }
        Ok(hasher.finalize())
    }

    /// Sees to it that the source, where it still is, is what was copied.
    pub fn check_source(&self) -> Result<(), CopyError> {
        let Ok(Ok(now)) = File::open(&self.head.source).map(|file| Identity::of(&file)) else {
            return Ok(());
        };
        // Devices are numbered anew when a host starts.
        if (Identity { device: self.head.kind.identity.device, ..now }) == self.head.kind.identity {
            return Ok(());
        }
        Err(CopyError::Stale { path: self.path.clone(), source_path: self.head.source.clone() })
    }
}

fn read_head(file: &File, path: &Path, size: u64) -> Result<Head, CopyError> {
    let path: PathBuf = path.into();
    let mut page = [0; HEAD];
    match file.read_exact_at(&mut page, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && page.starts_with(&format::MAGIC) => {
            let what = Damage::Length { has: size, octets: HEAD as u64 };
            return Err(CopyError::Damaged { path, what, source_path: None });
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(CopyError::Foreign { path });
        }
        Err(source) => return Err(CopyError::Read { path, source }),
    }
    Head::decode(&page).map_err(|bad| match bad {
        BadHead::Foreign => CopyError::Foreign { path },
        BadHead::Version(version) => CopyError::Version { path, version },
        BadHead::Damaged => CopyError::Damaged { path, what: Damage::Head, source_path: None },
    })
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
