//! `sendfile` into a flow's socket.

use super::is_refusal;
use crate::{net::socket::FlowSocket, stop::Stop};
use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
};

/// What hands parts of files over, and how often it did.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// Where `sendfile` cannot be had, what is read and sent instead.
    buffer: Option<Vec<u8>>,
    /// Calls of `sendfile`, or of `send` where it cannot be had.
    pub calls: u64,
    /// Times that the destination's host answered "port unreachable".
    pub refused: u64,
}

impl Hand {
    /// One for `socket`.
    pub fn of(socket: &FlowSocket) -> Self {
        // UDP over IPv6 had no `sendpage`: `sendfile` copied, and sent each page by itself (since 6.5 it sends
        // through MSG_SPLICE_PAGES). A cork would keep them together, but pulling it hides errors (`udp_lib_setsockopt` drops them):
        // where a batch cannot be cut, it would be lost without a word.
        let plain = socket.destination().is_ipv6() && !crate::kernel::splices_pages();
        Self { buffer: plain.then(Vec::new), ..Self::default() }
    }

    /// Hands over `octets` of `file` as one batch or one datagram. `Ok(false)`:
    /// not all of it, because of `stop`.
    pub fn over(
        &mut self,
        socket: &FlowSocket,
        file: &File,
        offset: u64,
        octets: usize,
        stop: &Stop,
    ) -> io::Result<bool> {
        let Some(mut buffer) = self.buffer.take() else {
            return self.send_file(socket, file, offset, octets, stop);
        };
        buffer.resize(octets, 0);
        let whole = file
            .read_exact_at(&mut buffer, offset)
            .and_then(|()| self.send(octets, stop, |_| socket.sock_ref().send(&buffer)));
        self.buffer = Some(buffer);
        whole
    }

    fn send_file(
        &mut self,
        socket: &FlowSocket,
        file: &File,
        offset: u64,
        octets: usize,
        stop: &Stop,
    ) -> io::Result<bool> {
        let (to, from) = (socket.as_raw_fd(), file.as_raw_fd());
        self.send(octets, stop, |done| {
            let mut position = (offset + done as u64).cast_signed();
            // SAFETY: two open descriptors, and an offset that lives for the call.
            let sent = unsafe { libc::sendfile(to, from, &raw mut position, octets - done) };
            usize::try_from(sent).map_err(|_| io::Error::last_os_error())
        })
    }

    /// Calls `call`, which says how many octets it sent behind those that are
    /// done, until `octets` are.
    fn send(
        &mut self,
        octets: usize,
        stop: &Stop,
        call: impl Fn(usize) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let mut done = 0;
        while done < octets {
            self.calls += 1;
            match call(done) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                // Short: the rest of the datagram is still open in the socket.
                Ok(sent) => done += sent,
                Err(error) if is_refusal(&error) => self.refused += 1,
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {
                    return Err(error);
                }
                Err(_) if stop.is_set() => return Ok(false),
                Err(_) => {}
            }
        }
        Ok(true)
    }
}
