//! `io_uring`: many sends in one call, each zero-copy (Linux 6.0). Each ends in
//! two completions: it was sent, and its pages are no longer in use. The
//! second says whether it was copied after all (6.2).

use crate::{devices::UNFRAGMENTED, media::Media, rows::Notices};
use anyhow::{Context, ensure};
use io_uring::{IoUring, cqueue, squeue, types::Fixed};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt::SndBufForce},
};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io, os::fd::AsRawFd};

/// Sends that one call hands over.
pub const SENDS: usize = 64;
/// The socket, as the ring names it.
pub const SOCKET: Fixed = Fixed(0);
/// The registered memory, as the ring names it.
pub const MEMORY: u16 = 0;
/// `IORING_SEND_ZC_REPORT_USAGE` (of Linux's `io_uring.h`), which every send has to ask for.
pub const REPORT: u16 = 8;
/// `IORING_NOTIF_USAGE_ZC_COPIED`: it was copied.
const COPIED: u32 = 1 << 31;
/// A send that finds the buffer full would wait while those behind it go on:
/// the buffer holds all of a call's packets.
const SEND_BUFFER: usize = 8 << 20;

/// A ring that sends through one socket.
pub struct Ring {
    uring: IoUring,
    /// What the kernel said of the sends that it has done with.
    pub notices: Notices,
    _socket: Socket,
}

impl Ring {
    /// A ring for `socket`, through which packets of `media` go.
    pub fn new(socket: Socket, media: &Media) -> anyhow::Result<Self> {
        // As MSG_ZEROCOPY does: the checksum of fragments is computed in software (`__ip_append_data`).
        ensure!(LEN + media.payload_len <= UNFRAGMENTED, "SEND_ZC copies what is larger than the MTU");
        setsockopt(&socket, SndBufForce, &SEND_BUFFER).context("SO_SNDBUFFORCE")?;
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(2 * SENDS as u32)
            .build(SENDS as u32)
            .context("io_uring (see /proc/sys/kernel/io_uring_disabled)")?;
        uring.submitter().register_files(&[socket.as_raw_fd()]).context("registering the socket")?;
        Ok(Self { uring, notices: Notices::default(), _socket: socket })
    }

    /// Pins `memory` once, instead of for each send.
    pub fn register(&self, memory: &[u8]) -> anyhow::Result<()> {
        let buffer = libc::iovec { iov_base: memory.as_ptr().cast_mut().cast(), iov_len: memory.len() };
        // SAFETY: the kernel pins the pages, and no request ever writes to them;
        // were they unmapped, it would send what was in them.
        unsafe { self.uring.submitter().register_buffers(&[buffer]) }.context("registering memory")
    }

    /// Sends all, at most [`SENDS`], in order, until the kernel has done with
    /// their pages. Each entry's user data is the number of its octets.
    ///
    /// # Safety
    /// What the entries point to must be valid, and hold still, until this returns.
    pub unsafe fn send(&mut self, entries: &[squeue::Entry]) -> anyhow::Result<()> {
        // SAFETY: as the caller promises.
        unsafe { self.uring.submission().push_multiple(entries) }.context("the ring is full")?;
        let (mut sent, mut done, mut outcome) = (0, 0, Ok(()));
        while sent < entries.len() || done < entries.len() {
            match self.uring.submit_and_wait((entries.len() - sent).max(1)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    other.context("io_uring_enter")?;
                }
            }
            for completion in self.uring.completion() {
                if cqueue::notif(completion.flags()) {
                    done += 1;
                    self.notices.sends += 1;
                    self.notices.copied += u64::from(completion.result().cast_unsigned() & COPIED != 0);
                    continue;
                }
                sent += 1;
                if !cqueue::more(completion.flags()) {
                    done += 1;
                }
                if outcome.is_ok() {
                    outcome = judge(&completion);
                }
            }
        }
        outcome
    }
}

/// Whether a send took all of its octets.
fn judge(completion: &cqueue::Entry) -> anyhow::Result<()> {
    let (octets, result) = (completion.user_data(), completion.result());
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result)).context("a zero-copy send");
    }
    ensure!(u64::from(result.cast_unsigned()) == octets, "a send took {result} octets of {octets}");
    Ok(())
}
