//! The receiver: a plain UDP socket in its namespace.

use super::{cable, cable::Namespace, tally::Tally};
use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    net::UdpSocket,
    time::{Duration, Instant},
};

/// The port of RTP's own registration (RFC 3551 §8).
pub const PORT: u16 = 5004;

/// Octets of a whole stream's first seconds, should we be kept from reading.
const BUFFER: usize = 4 << 20;

/// Listens, and counts.
#[derive(Debug)]
pub struct Receiver {
    /// What came so far.
    pub tally: Tally,
    socket: UdpSocket,
    /// The namespace's `/proc/net/snmp`.
    counters: File,
    buffer: Vec<u8>,
}

impl Receiver {
    /// Listens in `namespace`.
    pub fn listen(namespace: &Namespace) -> Result<Self> {
        let (socket, counters) = namespace.inside(|| {
            let address = (cable::RECEIVER, PORT);
            let socket = UdpSocket::bind(address).with_context(|| format!("cannot listen on {address:?}"))?;
            let counters = File::open("/proc/thread-self/net/snmp").context("cannot open /proc/net/snmp")?;
            Ok((socket, counters))
        })?;
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER)?;
        Ok(Self { tally: Tally::default(), socket, counters, buffer: vec![0; 65_536] })
    }

    /// Takes in what arrives, `patience` at most.
    pub fn receive(&mut self, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut self.buffer) {
                Ok(octets) => self.tally.take(&self.buffer[..octets], Instant::now()),
                Err(error) if is_timeout(&error) => return Ok(()),
                Err(error) => return Err(error).context("the receiver's socket"),
            }
        }
    }

    /// Datagrams that the receiving kernel threw away because of their UDP checksum, and for want of buffer.
    pub fn refused(&mut self) -> Result<Refused> {
        let mut text = String::new();
        self.counters.seek(SeekFrom::Start(0))?;
        self.counters.read_to_string(&mut text)?;
        Refused::parse(&text).context("/proc/net/snmp has no UDP counters")
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Datagrams that came and were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The checksum was wrong.
    pub checksum: u64,
    /// The socket's buffer was full.
    pub buffer: u64,
}

impl Refused {
    /// Reads them from a line of names and a line of numbers, both beginning with `Udp:`.
    fn parse(snmp: &str) -> Option<Self> {
        let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (lines.next()?, lines.next()?);
        let value = |wanted: &str| {
            let (_, number) = names.split(' ').zip(numbers.split(' ')).find(|(name, _)| *name == wanted)?;
            number.parse().ok()
        };
        Some(Self { checksum: value("InCsumErrors")?, buffer: value("RcvbufErrors")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_counters_are_found_by_name() {
        let snmp = "Tcp: InCsumErrors\nTcp: 9\n\
                    Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors\n\
                    Udp: 1 2 3 4 5 6 7\nUdpLite: InDatagrams\nUdpLite: 0\n";
        assert_eq!(Refused::parse(snmp), Some(Refused { checksum: 7, buffer: 5 }));
        assert_eq!(Refused::parse("Udp: InDatagrams\nUdp: 1\n"), None);
        assert_eq!(Refused::parse(""), None);
    }
}
