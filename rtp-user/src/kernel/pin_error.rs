//! What goes wrong with what `krtp attach` pins.

use super::{lock::LockError, maps::MapError};
use crate::net::netlink::NetlinkError;
use std::{io, path::PathBuf};

/// Where BPF file systems are mounted.
pub const BPFFS: &str = "/sys/fs/bpf";

/// Why something pinned cannot be made, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// No BPF file system.
    #[error("cannot mount a BPF file system on {BPFFS}: {0}; mount it by hand: mount -t bpf bpf {BPFFS}")]
    Mount(#[source] io::Error),
    /// A mount namespace of its own, which takes the pins with it when it ends.
    #[error(
        "pins made here would vanish with this mount namespace (`ip netns exec` makes one); \
         use `nsenter --net=/run/netns/NAME krtp attach {0}` instead"
    )]
    Private(String),
    /// It is there already.
    #[error("{0} is attached already: krtp detach {0}")]
    Exists(String),
    /// What was attached by that name has another now.
    #[error("{was} is what {is} was called when it was attached: krtp detach {is}, then attach {was}")]
    Renamed {
        /// What is to be attached.
        was: String,
        /// What has its name in the BPF file system.
        is: String,
    },
    /// It is not there.
    #[error("{0} is not attached: nothing to detach")]
    Missing(String),
    /// No such interface, now or when something was attached.
    #[error("there is no interface {0}: see `ip link`")]
    Unknown(String),
    /// The segmenter stays.
    #[error("cannot detach {interface}: {source}")]
    Detach {
        /// From what.
        interface: String,
        /// The kernel's answer.
        source: NetlinkError,
    },
    /// A file system call failed.
    #[error("{path}: {source}{}", remedy(source))]
    File {
        /// Of what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A pinned map cannot be opened.
    #[error("cannot use the pinned map {path}: {}", map_answer(answer))]
    Map {
        /// Where it is pinned.
        path: PathBuf,
        /// Why not.
        answer: aya::maps::MapError,
    },
    /// Something cannot be pinned.
    #[error("cannot pin {path}: {source}")]
    Pin {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: aya::pin::PinError,
    },
    /// It is another krtp's turn, and stays so.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It is not a map of ours.
    #[error(transparent)]
    Shape(#[from] MapError),
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run as root" } else { "" }
}

/// The kernel's answer without the name of the system call.
fn map_answer(error: &aya::maps::MapError) -> String {
    match error {
        aya::maps::MapError::SyscallError(call) => format!("{}{}", call.io_error, remedy(&call.io_error)),
        other => other.to_string(),
    }
}
