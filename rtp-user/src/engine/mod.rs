//! The engines: ways to put the same packets on the wire.

pub mod kernel;
mod missing;
mod outlet;
pub mod prepared;
pub mod registration;
mod sendfile;
pub mod user;

pub use outlet::Outline;

use crate::{
    media::{
        plan::Batch,
        source::{Source, SourceError},
    },
    net::socket::overhead,
    pace::Lateness,
};
use rtp_common::{
    header::Header,
    timeline::{self, PIECES, Piece},
};
use std::{io, net::SocketAddr};

/// What a flow's headers say, whichever engine writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Synchronization source.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Clock rate of the timestamps, Hz.
    pub clock_rate: u32,
    /// Octets of a full payload.
    pub payload: u32,
    /// A payload is whole units of so many octets: 188 of MPEG-TS, else 1.
    pub unit: u32,
    /// The UDP checksum.
    pub checksum: Checksum,
}

/// What stands in the UDP checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// The checksum.
    #[default]
    Full,
    /// Zero: none (IPv4 only, RFC 768).
    Zero,
}

/// What a flow has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets on the interface.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// Sequence number of the last packet.
    pub last_sequence: u16,
    /// RTP timestamp of the last packet.
    pub last_timestamp: u32,
    /// System calls that sent: `sendfile` or `sendmsg`.
    pub calls: u64,
    /// Times that the destination's host answered "port unreachable".
    pub refused: u64,
}

/// Why a flow cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The path's MTU is too small for a packet.
    #[error(
        "the path to {destination} takes packets of {mtu} octets now, too few for a payload of {payload}; \
         the largest that fits is {largest} (--payload {largest})"
    )]
    Mtu {
        /// Where to.
        destination: SocketAddr,
        /// Its path's MTU, octets from the IP header on.
        mtu: u32,
        /// The flow's payload.
        payload: u32,
        /// What would fit.
        largest: u32,
    },
    /// The interface went away or down, or the route did.
    #[error("{destination} cannot be reached any more: {source}")]
    Gone {
        /// Where to.
        destination: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// netfilter or a policy refused.
    #[error(
        "sending to {destination} is not permitted: {source}; a firewall rule (nft list ruleset) drops it"
    )]
    Filtered {
        /// Where to.
        destination: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// `krtp detach` took the program off the interface.
    #[error("the interface to {destination} was detached (krtp detach) under the stream")]
    Detached {
        /// Where to.
        destination: SocketAddr,
    },
    /// Packets passed the interface without the program, batch after batch.
    #[error(
        "{missing} of {sent} packets to {destination} did not pass the krtp program: \
         it was detached, or another program or rule on the interface takes packets before it"
    )]
    Bypassed {
        /// Where to.
        destination: SocketAddr,
        /// Packets that were not seen.
        missing: u64,
        /// Packets of those batches.
        sent: u64,
    },
    /// The kernel made other packets of it than it was asked for.
    #[error("{seen} packets to {destination} passed the krtp program, but {sent} were sent: a bug in krtp")]
    Miscut {
        /// Where to.
        destination: SocketAddr,
        /// Packets that passed.
        seen: u64,
        /// Packets that were handed over.
        sent: u64,
    },
    /// The program dropped packets.
    #[error("the krtp program dropped {packets} packets to {destination}: {reason}")]
    Dropped {
        /// Where to.
        destination: SocketAddr,
        /// How many.
        packets: u64,
        /// Why.
        reason: &'static str,
    },
    /// The file is not what it was.
    #[error("{0}")]
    File(#[from] SourceError),
    /// The host is too slow for it, or was busy for too long (`--on-late fail`).
    #[error(
        "{destination}: packets are {milliseconds} ms late, and --on-late fail ends the stream; \
         the host or its disk is too busy: send fewer streams, or let it drop or shift"
    )]
    Late {
        /// Where to.
        destination: SocketAddr,
        /// How late.
        milliseconds: u64,
    },
    /// The media's clock cannot be had in RTP.
    #[error("{0}")]
    Clock(#[from] crate::schedule::TooSlow),
    /// Anything else.
    #[error("sending to {destination}: {source}")]
    Io {
        /// Where to.
        destination: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl SendError {
    /// What the kernel's answer to a send means. `mtu`: the path's, as far as known.
    fn of(destination: SocketAddr, setting: &Setting, mtu: Option<u32>, source: io::Error) -> Self {
        let needed = setting.payload + overhead(destination.is_ipv6());
        match source.raw_os_error() {
            // EINVAL: so kernels before 2025 answer if it is a batch.
            Some(libc::EMSGSIZE | libc::EINVAL) if mtu.is_some_and(|mtu| mtu < needed) => {
                Self::mtu(destination, setting, mtu.unwrap_or_default())
            }
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::ENODEV | libc::ENXIO) => {
                Self::Gone { destination, source }
            }
            Some(libc::EPERM | libc::EACCES) => Self::Filtered { destination, source },
            _ => Self::Io { destination, source },
        }
    }

    fn mtu(destination: SocketAddr, setting: &Setting, mtu: u32) -> Self {
        let room = mtu.saturating_sub(overhead(destination.is_ipv6()));
        let largest = room / setting.unit * setting.unit;
        Self::Mtu { destination, mtu, payload: setting.payload, largest }
    }
}

/// Whether an error means that nothing was sent and the same may be tried
/// again: an ICMP answer to an earlier packet is reported by a later send.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECONNREFUSED)
}

/// Pieces that a batch may lie on: the flow's, less the one that the batch
/// before may still be on.
pub const PIECES_PER_BATCH: usize = PIECES - 1;

/// The header of a flow's packet `number`, which lies on one of `pieces`.
pub fn header(setting: &Setting, number: u64, pieces: &[Piece]) -> Header {
    let piece = timeline::of(pieces, number).copied().unwrap_or_default();
    Header {
        payload_type: setting.payload_type,
        marker: piece.marker(number),
        sequence: setting.first_sequence.wrapping_add(number as u16),
        timestamp: piece.timestamp(number),
        ssrc: setting.ssrc,
    }
}

/// A flow of any engine.
pub trait Flow: std::fmt::Debug + Send {
    /// Sends `batch`, whose packets lie on `pieces` of the timeline: in order,
    /// at least one, at most [`PIECES_PER_BATCH`]. Blocks while the socket's
    /// buffer is full. `Ok(false)`: nothing was sent because the stream is to stop.
    fn send(&mut self, source: &mut Source, batch: &Batch, pieces: &[Piece]) -> Result<bool, SendError>;

    /// Sees to it, when all was sent, that it went its way.
    fn check(&mut self) -> Result<(), SendError> {
        Ok(())
    }

    /// Shows how late the flow is to whoever looks at it.
    fn show(&mut self, lateness: &Lateness);

    /// Octets of memory that are still on their way out, as the kernel counts them.
    fn waiting(&self) -> u64;

    /// What has been sent so far.
    fn totals(&self) -> Totals;

    /// What stays the same of it.
    fn outline(&self) -> &Outline;
}
