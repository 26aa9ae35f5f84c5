//! Why a copy cannot be prepared: one line each, with the remedy.

use crate::{
    engine::SendError,
    media::{MediaError, plan::PlanError, prepared::CopyError, source::SourceError},
};
use std::{io, path::PathBuf};

/// Why a copy cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file cannot be played at all.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// It cannot be cut into packets.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its clock cannot be had in RTP.
    #[error("{}: {source}", path.display())]
    Clock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<SendError>,
    },
    /// The copy cannot be written.
    #[error("the prepared copy {} cannot be written: {source}; make its directory writable, with room for {octets} octets", path.display())]
    Write {
        /// The copy.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// How large it is to be.
        octets: u64,
    },
    /// The cache holds nothing that could go.
    #[error(
        "{} has no room for the {octets} octets of a prepared copy: {used} of {limit} are taken by copies in use; \
         give it more (--cache-size)",
        directory.display()
    )]
    Full {
        /// The cache.
        directory: PathBuf,
        /// Octets of the copy.
        octets: u64,
        /// Octets of the copies that are in use.
        used: u64,
        /// What all may take.
        limit: u64,
    },
    /// The file is being written.
    #[error("{} is being written to: prepare it when it is complete", path.display())]
    Unsettled {
        /// The file.
        path: PathBuf,
    },
    /// Its path has no room in the copy.
    #[error("{}: the path is too long for a prepared copy; give a shorter one", path.display())]
    LongPath {
        /// The file.
        path: PathBuf,
    },
    /// It was told to give up.
    #[error("stopped before the prepared copy {} was whole: nothing is left of it", path.display())]
    Stopped {
        /// The copy.
        path: PathBuf,
    },
    /// The copy is not what it should be.
    #[error(transparent)]
    Copy(#[from] CopyError),
}
