//! Why a prepared file cannot be sent: one line each, with the remedy.

use crate::media::shown::{Quoted, Shown};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a prepared file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Reading failed.
    #[error("{} cannot be read: {source}; check the disk or the mount", Shown(.path))]
    Read {
        /// The prepared file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no prepared file.
    #[error("{} is no prepared file: make one of a media file with `krtp prepare FILE`", Shown(.path))]
    Foreign {
        /// What was named.
        path: PathBuf,
    },
    /// Of a form that this krtp does not know.
    #[error("{} is a prepared file of version {version}, and this krtp knows version {}: {}", Shown(.path), super::format::VERSION, again(path, None))]
    Version {
        /// The prepared file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Octets that are not what was written.
    #[error("{} is damaged: {what}; {}", Shown(.path), again(path, source_path.as_deref()))]
    Damaged {
        /// The prepared file.
        path: PathBuf,
        /// Where.
        what: Damage,
        /// What it is a copy of, where that is known.
        source_path: Option<PathBuf>,
    },
    /// A copy in a cache, which is not missed there.
    #[error("{} is damaged: {what}; it was removed: start again, and it is made again", Shown(.path))]
    Removed {
        /// The copy.
        path: PathBuf,
        /// Where.
        what: Damage,
    },
    /// The source has other content now.
    #[error("{} is a copy of what {} was before it changed; {}", Shown(.path), Shown(.source_path), again(path, Some(source_path)))]
    Stale {
        /// The prepared file.
        path: PathBuf,
        /// What it is a copy of.
        source_path: PathBuf,
    },
}

/// Which part of a prepared file is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its first page.
    #[error("its head is not as it was written")]
    Head,
    /// It was cut short, or something was added.
    #[error("it has {has} octets instead of {octets}")]
    Length {
        /// Octets it has.
        has: u64,
        /// Octets it had.
        octets: u64,
    },
    /// What stands behind the packets.
    #[error("its clock and checksums, from octet {from} on, are not as they were written")]
    End {
        /// Where that begins.
        from: u64,
    },
    /// Packets.
    #[error("octets {from} to {to} are not as they were written")]
    Block {
        /// The first of the block.
        from: u64,
        /// The last.
        to: u64,
    },
}

fn again(path: &Path, source: Option<&Path>) -> String {
    let source = source.unwrap_or(Path::new("FILE"));
    format!("make it again with `krtp prepare {} -o {}`", Quoted(source), Quoted(path))
}
