//! Sending from a mapping without copying.

use super::completions::Completions;
use crate::{devices::UNFRAGMENTED, media::Media, rows::Notices};
use anyhow::{Context, ensure};
use nix::libc;
use socket2::Socket;
use std::io::IoSlice;

/// Sends before completions are taken, which the kernel has by then merged into one.
pub const UNCOMPLETED: usize = 32;
/// The same where each call is a whole batch.
pub const UNCOMPLETED_BATCHES: usize = 8;

/// `MSG_ZEROCOPY` on a socket.
#[derive(Debug)]
pub struct ZeroCopy {
    completions: Completions,
    /// Sends before completions are taken.
    most: usize,
}

impl ZeroCopy {
    /// Makes `socket` one that sends without copying, packets of `header` octets and a payload of `media`'s.
    pub fn open(socket: &Socket, media: &Media, header: usize, most: usize) -> anyhow::Result<Self> {
        // The checksum of fragments is computed in software, and for that the kernel copies (`__ip_append_data`).
        ensure!(
            header + media.payload_len <= UNFRAGMENTED,
            "MSG_ZEROCOPY copies what is larger than the MTU"
        );
        Ok(Self { completions: Completions::on(socket)?, most })
    }

    /// Sends `parts` as one packet or batch; they must stay as they are for as many sends as completions wait for.
    pub fn send(&mut self, socket: &Socket, parts: &[IoSlice]) -> anyhow::Result<()> {
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        let sent = socket.send_vectored_with_flags(parts, libc::MSG_ZEROCOPY).context("sendmsg")?;
        ensure!(sent == octets, "sendmsg took {sent} octets");
        if self.completions.called() < self.most { Ok(()) } else { self.completions.reap(socket) }
    }

    /// What the kernel said so far.
    pub fn notices(&self) -> Notices {
        self.completions.notices
    }
}
