//! Who receives in the second namespace.

use super::{PORT, receiver_socket};
use anyhow::{Context, bail};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt::RcvBuf},
    unistd::{ForkResult, Pid, fork},
};
use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::{fd::AsRawFd, unix::fs::FileExt},
    ptr,
};

/// Sockets in a network namespace, which they hold.
#[derive(Debug)]
pub struct Peer {
    /// Takes datagrams.
    pub udp: UdpSocket,
    tcp: TcpListener,
    /// The namespace's counters.
    counters: File,
}

impl Peer {
    /// In the namespace of the calling thread.
    pub(super) fn here() -> anyhow::Result<Self> {
        let counters = "/proc/thread-self/net/snmp";
        Ok(Self {
            udp: receiver_socket()?,
            tcp: TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("the receiver's listener")?,
            counters: File::open(counters).context(counters)?,
        })
    }

    /// The connection that has been made.
    pub fn accept(&self) -> anyhow::Result<TcpStream> {
        Ok(self.tcp.accept().context("accepting")?.0)
    }

    /// Gives the connection that has been made to a process that takes what comes and throws it away.
    pub fn drain(&self) -> anyhow::Result<Drain> {
        Drain::start(&self.accept()?)
    }

    /// Lets the UDP socket overflow at once, so that the kernel drops what comes where it would have put it.
    pub fn deafen(&self) -> anyhow::Result<()> {
        setsockopt(&self.udp, RcvBuf, &0).context("SO_RCVBUF")
    }

    /// Datagrams that were dropped because the socket was full.
    pub fn dropped(&self) -> anyhow::Result<u64> {
        let mut text = vec![0; 4096];
        let octets = self.counters.read_at(&mut text, 0).context("/proc/net/snmp")?;
        overflowed(&String::from_utf8_lossy(&text[..octets])).context("/proc/net/snmp counts no full sockets")
    }
}

/// `RcvbufErrors` of UDP: a line of names is followed by one of numbers.
fn overflowed(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let column = names.split_whitespace().position(|name| name == "RcvbufErrors")?;
    numbers.split_whitespace().nth(column)?.parse().ok()
}

/// A process that reads a TCP connection to its end. What it costs is not the bench's.
#[derive(Debug)]
pub struct Drain(Pid);

impl Drain {
    fn start(stream: &TcpStream) -> anyhow::Result<Self> {
        // SAFETY: the child makes system calls only.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Self(child)),
            // SAFETY: as above; nothing of the parent's is used but the descriptor.
            ForkResult::Child => unsafe {
                libc::dup2(stream.as_raw_fd(), 0);
                // What the parent holds is not to live on here.
                libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0);
                // TCP: MSG_TRUNC throws octets away instead of copying them (tcp(7)).
                while libc::recv(0, ptr::null_mut(), 1 << 20, libc::MSG_TRUNC) > 0 {}
                libc::_exit(0)
            },
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // SAFETY: our own child, which nobody else waits for.
        unsafe {
            libc::kill(self.0.as_raw(), libc::SIGKILL);
            libc::waitpid(self.0.as_raw(), ptr::null_mut(), 0);
        }
    }
}

/// Reads `octets` octets of a connection.
pub fn read_exactly(stream: &mut TcpStream, octets: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut read = vec![0; octets];
    if let Err(error) = stream.read_exact(&mut read) {
        bail!("of {octets} octets not all arrived: {error}");
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::overflowed;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let snmp = "Ip: Forwarding RcvbufErrors\nIp: 1 2\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\n\
                    Udp: 10 20 30 40 50\nUdpLite: InDatagrams RcvbufErrors\nUdpLite: 1 2\n";
        assert_eq!(overflowed(snmp), Some(50));
        assert_eq!(overflowed("Udp: InDatagrams\nUdp: 1\n"), None);
        assert_eq!(overflowed(""), None);
    }
}
