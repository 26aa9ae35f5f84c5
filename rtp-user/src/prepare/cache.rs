//! A directory of prepared copies, kept within a size.

use super::{error::PrepareError, part, write::Original};
use crate::{
    media::{
        library::Library,
        prepared::{
            Copy,
            format::{Kind, Numbers},
        },
    },
    stop::GoOn,
};
use anyhow::Result;
use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock, futimens};
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// What the names of copies end in.
const ENDING: &str = ".krtp";
/// Whoever makes room, or takes it, has this file locked.
const LOCK: &str = ".lock";

/// A directory of prepared copies.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Where.
    pub directory: PathBuf,
    /// Octets that all copies may take.
    pub limit: u64,
}

/// A file of the directory.
struct Entry {
    path: PathBuf,
    octets: u64,
    /// When it was opened last, as [`touch`] noted it.
    used: (i64, i64),
}

impl Cache {
    /// The copy of `original`: the one that is there, if it is whole and of the
    /// same content, else a new one with headers from `numbers` on.
    pub fn copy(
        &self,
        original: Original,
        numbers: Numbers,
        library: &Library,
        go_on: &mut GoOn<'_>,
    ) -> Result<Copy, PrepareError> {
        let path = self.directory.join(file_name(original.kind()));
        if let Some(copy) = find(&path, &original) {
            return Ok(copy);
        }
        let octets = original.octets();
        let refused = |source| PrepareError::Write { path: path.clone(), source, octets };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(refused)?;
        let lock = File::options().write(true).create(true).truncate(false).open(self.directory.join(LOCK));
        let lock = lock.map_err(refused)?;
        // Held until the copy is there: two who prepare at once would both count on the same room.
        if !part::lock(&lock, &mut || go_on(0, 0)).map_err(refused)? {
            return Err(PrepareError::Stopped { path });
        }
        // Somebody else may have made it in the meantime.
        if let Some(copy) = find(&path, &original) {
            return Ok(copy);
        }
        self.make_room(octets, &path)?;
        let kind = original.kind().clone();
        original.write(&path, numbers, library, go_on)?;
        let copy = Copy::open_cached(&path)?;
        debug_assert_eq!(copy.head().kind, kind);
        Ok(copy)
    }

    /// Removes copies that nobody has open, those first that were used least
    /// recently, until `octets` more have room. The one at `path` is replaced.
    fn make_room(&self, octets: u64, path: &Path) -> Result<(), PrepareError> {
        let refused = |source| PrepareError::Write { path: path.into(), source, octets };
        let mut entries = entries(&self.directory).map_err(refused)?;
        entries.retain(|entry| entry.path != path);
        entries.sort_by_key(|entry| entry.used);
        let mut used: u64 = entries.iter().map(|entry| entry.octets).sum();
        for Entry { path, octets: has, .. } in entries {
            if used.saturating_add(octets) <= self.limit {
                return Ok(());
            }
            let free = File::open(&path)
                .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
            if free && fs::remove_file(&path).is_ok() {
                tracing::info!("{} removed, to make room", path.display());
                used -= has;
            }
        }
        if used.saturating_add(octets) <= self.limit {
            return Ok(());
        }
        Err(PrepareError::Full { directory: self.directory.clone(), octets, used, limit: self.limit })
    }
}

/// The copy at `path`, if it is whole, of `original`, and can be read.
fn find(path: &Path, original: &Original) -> Option<Copy> {
    match Copy::open_cached(path) {
        Ok(copy) if original.is_copied_in(&copy) => {
            touch(copy.file());
            Some(copy)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::info!("{error}");
            None
        }
    }
}

/// Notes that a copy was used, in its access time: by its modification time
/// those who send it know that it is as it was.
fn touch(file: &File) {
    let none = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: none(UTIME_NOW), last_modification: none(UTIME_OMIT) };
    // One that is not ours to touch goes before its time, no more.
    let _ = futimens(file, &times);
}

/// Copies, and what a killed writer left of one.
fn entries(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(status) = entry.metadata() else { continue };
        let left = name.ends_with(part::ENDING);
        if status.is_file() && (name.ends_with(ENDING) || left) {
            let used = if left { (0, 0) } else { (status.atime(), status.atime_nsec()) };
            entries.push(Entry { path: entry.path(), octets: status.len(), used });
        }
    }
    Ok(entries)
}

/// One for each file and way of sending it, so that a rewritten file's copy
/// takes the place of its old one.
fn file_name(kind: &Kind) -> String {
    let Kind { identity, octets: _, payload, unit, payload_type, clock_rate, encoding, timing } = kind;
    let way = format!("{payload} {unit} {payload_type} {clock_rate} {encoding:?} {timing:?}");
    let way = crc32fast::hash(way.as_bytes());
    format!("{:x}-{:x}-{way:08x}{ENDING}", identity.device, identity.inode)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
