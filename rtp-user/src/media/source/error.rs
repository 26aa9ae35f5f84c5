//! Why a file that is being sent cannot be sent any further.

use crate::media::prepared::CopyError;
use std::{io, path::PathBuf};

/// The file cannot be sent any further.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It was written to, or cut short.
    #[error("{path} changed while it was being sent: start again when it is complete")]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// Its PCRs give no rate.
    #[error(
        "{path} has no two PCRs to pace by: give its rate (--pace 4000000) or send unpaced (--pace none)"
    )]
    NoClock {
        /// Which.
        path: PathBuf,
    },
    /// A time in it is asked for, and its PCRs give no rate.
    #[error(
        "{path} has no two PCRs that give a rate, and --start and --duration need a clock: give its rate (--pace 4000000)"
    )]
    NoTime {
        /// Which.
        path: PathBuf,
    },
    /// Nobody wants to know any more.
    #[error("{path} was not read to the end")]
    Stopped {
        /// Which.
        path: PathBuf,
    },
    /// The rate that was asked for is none for its octets.
    #[error("--pace {bits} is no rate for {path}")]
    NoRate {
        /// Bits per second.
        bits: u64,
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
    /// No copy of its samples in RTP's byte order.
    #[error(
        "{path} is little-endian, and there is no room for the {octets} octets of a copy in RTP's byte order: {source}; \
         make room in the cache directory (see XDG_CACHE_HOME)"
    )]
    NoCopy {
        /// Which.
        path: PathBuf,
        /// Octets of its samples.
        octets: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// It is a prepared file that cannot be sent.
    #[error(transparent)]
    Copy(#[from] CopyError),
}
