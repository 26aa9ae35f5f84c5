//! The file through a TCP connection. `sendfile (TCP)` in the paper.

use super::row::{Group, Row, Sender};
use crate::{
    devices::{Drain, Namespace, Target},
    media::Media,
};
use anyhow::{Context, ensure};
use nix::{
    libc,
    sys::{
        sendfile::sendfile64,
        socket::{setsockopt, sockopt::SetStruct},
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    ops::Range,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

pub const ROW: Row = Row {
    key: "sendfile_tcp",
    group: Group::Download,
    added: false,
    calls: "1",
    copies: &[],
    does: "One sendfile() sends all of the file through a TCP connection, whose segments hold a payload each.",
    cost: "Nothing is copied and there is one system call in all; TCP cuts the stream into segments, by itself where \
           the interface cannot. Its receiver's acknowledgements are worked on in the same call.",
    differs: Some(
        "Not to be ranked with the others, which send datagrams. TCP needs somebody who answers: this row always goes over a veth pair of its own to a process that takes \
         the octets and throws them away. What the receiving kernel does within the sender's call counts here, what \
         of the sending is done while the receiver reads does not. The few calls beside the one wait until all is acknowledged. Beyond the MTU a segment is what the MTU holds.",
    ),
    open,
};

/// How large a segment may be; the time stamps that each carries count.
#[derive(Clone)]
struct SegmentSize;

nix::setsockopt_impl!(SegmentSize, libc::IPPROTO_TCP, libc::TCP_MAXSEG, i32, SetStruct<i32>);

/// Octets of the time stamp option (RFC 7323 §3.2), padded.
const TIME_STAMPS: usize = 12;
/// The largest that there is to ask for (`MAX_TCP_WINDOW`).
const LARGEST: usize = 32_767;
/// How long the receiver may take for what is on its way.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to look for the second time whether all has arrived; the waits double.
const GLANCE: Duration = Duration::from_micros(200);

struct SendfileTcp {
    socket: Socket,
    packets: u64,
    // Ends with the connection.
    _drain: Option<Drain>,
}

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let connect = |target: &Target| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("a TCP socket")?;
        let size = (media.payload_len + TIME_STAMPS).min(LARGEST);
        setsockopt(&socket, SegmentSize, &i32::try_from(size)?).context("TCP_MAXSEG")?;
        socket.connect(&target.destination.into()).context("connecting")?;
        anyhow::Ok(socket)
    };
    if target.listens {
        return Ok(Box::new(SendfileTcp { socket: connect(target)?, packets: 0, _drain: None }));
    }
    let (own, peer) = namespace.peer(target.link.gso_max_segs)?;
    let socket = connect(&own)?;
    Ok(Box::new(SendfileTcp { socket, packets: 0, _drain: Some(peer.drain()?) }))
}

impl SendfileTcp {
    /// Octets that nobody has acknowledged yet.
    fn outstanding(&self) -> anyhow::Result<i32> {
        let mut octets = 0;
        // SAFETY: the request writes one integer.
        let answer = unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
        ensure!(answer == 0, "SIOCOUTQ: {}", std::io::Error::last_os_error());
        Ok(octets)
    }
}

impl Sender for SendfileTcp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut offset = media.offset(packets.start).cast_signed();
        let mut left = packets.len() * media.payload_len;
        while left > 0 {
            let sent = sendfile64(&self.socket, &media.file, Some(&mut offset), left).context("sendfile")?;
            ensure!(sent > 0, "sendfile took nothing");
            left -= sent;
        }
        let (begin, mut wait) = (Instant::now(), GLANCE);
        while self.outstanding()? > 0 {
            ensure!(begin.elapsed() < PATIENCE, "the receiver takes no more");
            thread::sleep(wait);
            wait *= 2;
        }
        self.packets += packets.len() as u64;
        Ok(())
    }

    fn acknowledged(&self) -> Option<u64> {
        Some(self.packets)
    }
}
