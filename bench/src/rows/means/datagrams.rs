//! `sendmmsg`: many datagrams in one call (Linux 3.0).

use anyhow::{Context, ensure};
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};
use socket2::Socket;
use std::{io::IoSlice, os::fd::AsRawFd};

/// A socket that sends many datagrams by each call.
pub struct Datagrams {
    socket: Socket,
    headers: MultiHeaders<()>,
}

impl Datagrams {
    /// Datagrams per call.
    pub const MOST: usize = 64;

    /// Through `socket`, which is connected.
    pub fn new(socket: Socket) -> Self {
        Self { socket, headers: MultiHeaders::preallocate(Self::MOST, None) }
    }

    /// Sends each of `parts`, at most [`Self::MOST`], as one datagram of `octets` octets.
    pub fn send<const N: usize>(&mut self, parts: &[[IoSlice<'_>; N]], octets: usize) -> anyhow::Result<()> {
        let flags = MsgFlags::empty();
        let addresses = [None; Self::MOST];
        let sent = sendmmsg(self.socket.as_raw_fd(), &mut self.headers, parts, addresses, [], flags)
            .context("sendmmsg")?;
        let whole = sent.filter(|message| message.bytes == octets).count();
        ensure!(whole == parts.len(), "sendmmsg took {whole} datagrams of {}", parts.len());
        Ok(())
    }
}
