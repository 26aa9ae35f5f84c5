//! What every flow has: a socket to leave through, and what stays the same of it.

use super::{Checksum, SendError, Setting};
use crate::{
    monotonic::{Seldom, now},
    net::socket::{FlowSocket, overhead},
};
use rtp_common::header::LEN as HEADER;
use std::{io, net::SocketAddr};

/// Largest UDP payload of an IPv4 packet: what one call can hand over.
const MAX_BATCH_OCTETS: usize = 65_507;
/// `UDP_MAX_SEGMENTS` before Linux 6.9 (128 since, commit 1382e3b6a350).
const MAX_BATCH_SEGMENTS: usize = 64;

/// What stays the same of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    /// Where to.
    pub destination: SocketAddr,
    /// Where from.
    pub source: SocketAddr,
    /// What its headers say.
    pub setting: Setting,
    /// Most packets of one batch.
    pub max_batch: usize,
}

/// A flow's socket.
#[derive(Debug)]
pub(super) struct Outlet {
    pub socket: FlowSocket,
    pub outline: Outline,
    /// Whether batches are cut behind the socket; if not, datagrams go one by one.
    pub cuts: bool,
    mtu: Seldom,
}

impl Outlet {
    /// Of packets whose headers are added behind the socket. If batches are to
    /// be cut, that can fail.
    pub fn of_payloads(socket: FlowSocket, setting: Setting, cut: bool) -> io::Result<Self> {
        let octets = setting.payload as usize;
        if cut {
            socket.set_segment(u16::try_from(octets).map_err(|_| io::ErrorKind::InvalidInput)?)?;
        }
        Ok(Self::new(socket, setting, octets, cut))
    }

    /// Of packets that have their headers, whose batches are cut where they can be.
    pub fn of_packets(socket: FlowSocket, setting: Setting) -> io::Result<Self> {
        let octets = setting.payload as usize + HEADER;
        let cuts = match setting.checksum {
            Checksum::Full => u16::try_from(octets).is_ok_and(|octets| socket.set_segment(octets).is_ok()),
            // The kernel refuses GSO without checksums.
            Checksum::Zero => {
                socket.set_no_checksum()?;
                false
            }
        };
        Ok(Self::new(socket, setting, octets, cuts))
    }

    /// `octets`: of a datagram as it is handed over.
    fn new(socket: FlowSocket, setting: Setting, octets: usize, cuts: bool) -> Self {
        let max_batch = (MAX_BATCH_OCTETS / octets).clamp(1, MAX_BATCH_SEGMENTS);
        let (destination, source) = (socket.destination(), socket.source());
        Self {
            socket,
            outline: Outline { destination, source, setting, max_batch },
            cuts,
            mtu: Seldom::default(),
        }
    }

    /// What its headers say.
    pub fn setting(&self) -> &Setting {
        &self.outline.setting
    }

    /// Whether `error`, of a batch, means that the interface can neither
    /// checksum nor segment (kernels before 6.11). From then on nothing is cut.
    pub fn cannot_cut(&mut self, error: &io::Error) -> bool {
        let cannot = error.raw_os_error() == Some(libc::EIO) && self.socket.set_segment(0).is_ok();
        self.cuts &= !cannot;
        cannot
    }

    /// Sees to it, now and then, that a packet fits the path: the kernel counts without the RTP
    /// header that the program adds.
    pub fn check_mtu(&mut self) -> Result<(), SendError> {
        if !self.mtu.is_due(now()) {
            return Ok(());
        }
        let Outline { destination, setting, .. } = &self.outline;
        let needed = setting.payload + overhead(destination.is_ipv6());
        let error = |source| SendError::of(*destination, setting, None, source);
        if self.socket.mtu().map_err(error)? >= needed {
            return Ok(());
        }
        // A route whose interface went away is kept as one of 68 octets
        // (`blackhole_netdev`); looked for anew, there is none.
        self.socket.reconnect().map_err(error)?;
        let mtu = self.socket.mtu().map_err(error)?;
        if mtu >= needed { Ok(()) } else { Err(SendError::mtu(*destination, setting, mtu)) }
    }

    /// What the kernel's answer to a send means.
    pub fn error(&self, source: io::Error) -> SendError {
        SendError::of(self.outline.destination, self.setting(), self.socket.mtu().ok(), source)
    }

    /// Octets of memory that are still on their way out, as the kernel counts them.
    pub fn waiting(&self) -> u64 {
        self.socket.waiting().unwrap_or_default()
    }
}
