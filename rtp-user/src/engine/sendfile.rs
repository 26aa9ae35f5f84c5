//! `sendfile` into a flow's socket.

use super::is_refusal;
use crate::{net::socket::FlowSocket, stop::Stop};
use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
};

/// What hands parts of files over, and how often it did.
#[derive(Debug)]
pub(super) struct Hand {
    /// Whether `sendfile` makes one datagram of what it is asked to send.
    takes_files: bool,
    /// Where it does not, what is read and sent instead.
    buffer: Vec<u8>,
    /// Calls of `sendfile`, and of `send`.
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
        let takes_files = !socket.destination().is_ipv6() || crate::kernel::splices_pages();
        Self { takes_files, buffer: Vec::new(), calls: 0, refused: 0 }
    }

    /// Hands over `octets` of `file` as one batch or one datagram. `Ok(false)`:
    /// nothing, because of `stop`.
    pub fn over(
        &mut self,
        socket: &FlowSocket,
        file: &File,
        offset: u64,
        octets: usize,
        stop: &Stop,
    ) -> io::Result<bool> {
        if self.takes_files {
            match self.until_sent(stop, || send_file(socket, file, offset, octets))? {
                Some(sent) if sent == octets => return Ok(true),
                // The call that hands over the last pages is the one that sends. If it fails, `sendfile` says how
                // much the ones before it took, and not why (so does a file that was cut short). What they took may
                // have gone or may stand in the socket, and the rest alone would leave as a packet of its own.
                Some(_) => socket.abandon(),
                None => return Ok(false),
            }
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(octets, 0);
        let sent = file
            .read_exact_at(&mut buffer, offset)
            .and_then(|()| self.until_sent(stop, || socket.sock_ref().send(&buffer)));
        self.buffer = buffer;
        Ok(sent?.is_some())
    }

    /// Calls `call` until it sends, and returns how many octets; none: `stop` is set.
    fn until_sent(&mut self, stop: &Stop, call: impl Fn() -> io::Result<usize>) -> io::Result<Option<usize>> {
        loop {
            self.calls += 1;
            match call() {
                Ok(sent) => return Ok(Some(sent)),
                Err(error) if is_refusal(&error) => self.refused += 1,
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {
                    return Err(error);
                }
                Err(_) if stop.is_set() => return Ok(None),
                Err(_) => {}
            }
        }
    }
}

fn send_file(socket: &FlowSocket, file: &File, offset: u64, octets: usize) -> io::Result<usize> {
    let mut position = offset.cast_signed();
    // SAFETY: two open descriptors, and an offset that lives for the call.
    let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut position, octets) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::socket::Options;
    use std::{
        io::Write,
        net::{SocketAddr, UdpSocket},
    };

    const SEGMENT: usize = 1316;

    /// A file of so many octets, of which no two packets are the same.
    fn file(octets: usize) -> (File, Vec<u8>) {
        let octets: Vec<u8> = (0..octets).map(|index| (index / 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&octets).expect("it is written");
        (file, octets)
    }

    /// A receiver on `address`, and a socket to it whose batches are cut.
    fn cable(address: &str) -> (UdpSocket, FlowSocket) {
        let address: SocketAddr = address.parse().expect("an address");
        let receiver = UdpSocket::bind(address).expect("a loopback");
        receiver.set_nonblocking(true).expect("a socket");
        let destination = receiver.local_addr().expect("bound");
        let options = Options { destination, source: None, interface: None, ttl: None, dscp: None };
        let socket = FlowSocket::open(&options).expect("a socket");
        socket.set_segment(SEGMENT as u16).expect("UDP GSO");
        (receiver, socket)
    }

    fn arrived(receiver: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 0x10000];
        std::iter::from_fn(|| receiver.recv(&mut buffer).ok().map(|octets| buffer[..octets].to_vec()))
            .collect()
    }

    fn packets(octets: &[u8]) -> Vec<Vec<u8>> {
        octets.chunks(SEGMENT).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_batch_is_handed_over_by_one_call() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, socket) = cable(address);
            let (file, octets) = file(60 * SEGMENT);
            let mut hand = Hand::of(&socket);
            let sent = hand.over(&socket, &file, 4000, 45 * SEGMENT, &Stop::default());
            assert!(sent.expect("it is sent"), "{address}");
            assert_eq!(
                (arrived(&receiver), hand.calls),
                (packets(&octets[4000..][..45 * SEGMENT]), 1),
                "{address}"
            );
        }
    }

    /// The kernel cuts no batch of packets without checksums, and finds that with the last pages, which are in a call of
    /// their own if there are more than sixteen.
    #[test]
    fn what_went_wrong_at_the_end_is_told_and_leaves_nothing_behind() {
        let (receiver, socket) = cable("127.0.0.1:0");
        let (file, octets) = file(60 * SEGMENT);
        let stop = Stop::default();
        let mut hand = Hand::of(&socket);
        socket.set_no_checksum().expect("SO_NO_CHECK");
        let error = hand.over(&socket, &file, 4000, 49 * SEGMENT, &stop).expect_err("without checksums");
        assert_eq!((error.raw_os_error(), hand.calls), (Some(libc::EINVAL), 2));
        socket.set_segment(0).expect("UDP GSO");
        assert!(hand.over(&socket, &file, 7, SEGMENT, &stop).expect("it is sent"));
        assert_eq!(arrived(&receiver), [&octets[7..][..SEGMENT]]);
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error_and_leaves_nothing_open() {
        let (receiver, socket) = cable("127.0.0.1:0");
        let (file, octets) = file(5 * SEGMENT);
        let stop = Stop::default();
        let mut hand = Hand::of(&socket);
        let error = hand.over(&socket, &file, 0, 9 * SEGMENT, &stop).expect_err("nine of five");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        // What `sendfile` found some kernels have sent when it found no more.
        arrived(&receiver);
        assert!(hand.over(&socket, &file, 0, 3 * SEGMENT, &stop).expect("it is sent"));
        assert_eq!(arrived(&receiver), packets(&octets[..3 * SEGMENT]));
    }

    #[test]
    fn an_unfinished_datagram_is_thrown_away() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, socket) = cable(address);
            let more = |octets: &[u8]| socket.sock_ref().send_with_flags(octets, libc::MSG_MORE);
            assert_eq!(more(&[1; 2000]).expect("a cork"), 2000, "{address}");
            socket.abandon();
            assert_eq!(arrived(&receiver), [[0u8; 0]; 0], "{address}");
            socket.abandon();
            assert_eq!(socket.sock_ref().send(&[2; 2 * SEGMENT]).expect("it is sent"), 2 * SEGMENT);
            assert_eq!(arrived(&receiver), [[2; SEGMENT]; 2], "{address}");
        }
    }
}
