//! `sendfile` into a flow's socket.

use super::is_refusal;
use crate::{net::socket::FlowSocket, stop::Stop};
use std::{fs::File, io, os::fd::AsRawFd};

/// What hands parts of files over, and how often it did.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// Whether `sendfile` by itself would make a datagram of every page.
    cork: bool,
    /// Calls of `sendfile`.
    pub calls: u64,
    /// Times that the destination's host answered "port unreachable".
    pub refused: u64,
}

impl Hand {
    /// One for `socket`.
    pub fn of(socket: &FlowSocket) -> Self {
        // UDP over IPv6 had no `sendpage`: each page was sent by itself
        // (since 6.5 `sendfile` sends through MSG_SPLICE_PAGES).
        let cork = socket.destination().is_ipv6() && !crate::kernel::splices_pages();
        Self { cork, ..Self::default() }
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
        if !self.cork {
            return self.send_file(socket, file, offset, octets, stop);
        }
        socket.set_cork(true)?;
        let whole = self.send_file(socket, file, offset, octets, stop)?;
        socket.set_cork(false)?;
        Ok(whole)
    }

    fn send_file(
        &mut self,
        socket: &FlowSocket,
        file: &File,
        offset: u64,
        octets: usize,
        stop: &Stop,
    ) -> io::Result<bool> {
        let mut done = 0;
        while done < octets {
            let mut position = (offset + done as u64).cast_signed();
            let (to, from) = (socket.as_raw_fd(), file.as_raw_fd());
            // SAFETY: two open descriptors, and an offset that lives for the call.
            let sent = unsafe { libc::sendfile(to, from, &raw mut position, octets - done) };
            self.calls += 1;
            match usize::try_from(sent) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                // Short: the rest of the datagram is still open in the socket.
                Ok(sent) => done += sent,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if is_refusal(&error) {
                        self.refused += 1;
                    } else if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) {
                        return Err(error);
                    } else if stop.is_set() {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}
