//! The kernel engine: sendfile hands over a batch, the program writes the
//! headers.

use crate::{
    kernel::{maps::MapError, object::Maps},
    net::socket::FlowSocket,
};
use rtp_common::{
    carrier,
    flow::{FlowState, Slot},
    timeline::Piece,
};
use std::{fs::File, io, os::fd::AsRawFd};

/// Largest UDP payload that one `sendfile` hands over: what fits an IPv4 packet.
const MAX_BATCH_OCTETS: usize = 65_507;
/// `UDP_MAX_SEGMENTS` before Linux 6.9.
const MAX_BATCH_SEGMENTS: usize = 64;

/// Packets of `payload` octets that go into one batch.
pub const fn batch_packets(payload: usize) -> usize {
    let fit = MAX_BATCH_OCTETS / payload;
    if fit < MAX_BATCH_SEGMENTS { fit } else { MAX_BATCH_SEGMENTS }
}

/// One flow of the kernel engine.
#[derive(Debug)]
pub struct KernelFlow {
    socket: FlowSocket,
    slot: u32,
    number: u64,
    checksum: bool,
    /// `sendfile` calls so far.
    pub calls: u64,
}

impl KernelFlow {
    /// Registers `socket` as a flow. `settings` without what the socket itself says.
    pub fn open(maps: &mut Maps, socket: FlowSocket, settings: FlowState) -> Result<Self, MapError> {
        let checksum = settings.checksum != 0;
        let slot = maps.flows.claim(settings)?;
        maps.sums.clear(slot);
        maps.sockets.insert(&socket, Slot { index: slot }, 0).map_err(MapError::Kind)?;
        Ok(Self { socket, slot, number: 0, checksum, calls: 0 })
    }

    /// Sends `octets` of `file` from `offset` on as packets of the socket's
    /// segment size.
    pub fn send(
        &mut self,
        maps: &Maps,
        file: &File,
        offset: u64,
        octets: usize,
        sums: &[u16],
    ) -> io::Result<()> {
        if self.checksum {
            maps.sums.lay(self.slot, self.number, sums.iter().copied());
        }
        self.socket.set_priority(carrier::encode(self.number))?;
        let mut position = offset.cast_signed();
        // SAFETY: two open descriptors, and an offset that lives for the call.
        let sent =
            unsafe { libc::sendfile(self.socket.as_raw_fd(), file.as_raw_fd(), &raw mut position, octets) };
        self.calls += 1;
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        assert_eq!(sent as usize, octets);
        self.number += sums.len() as u64;
        Ok(())
    }

    /// Lays a piece.
    pub fn lay(&self, maps: &Maps, piece: Piece) {
        maps.flows.lay(self.slot, piece);
    }

    /// slot
    pub fn slot(&self) -> u32 {
        self.slot
    }
}
