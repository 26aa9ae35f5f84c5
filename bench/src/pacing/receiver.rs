//! The receiver of record: a UDP socket whose packets the kernel stamps as they come in. It shares nothing with krtp,
//! and it looks at the socket only now and then, so that it takes no time from the senders.

use anyhow::Context;
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns},
        time::TimeSpec,
    },
};
use rtp_types::RtpPacket;
use std::{
    io::IoSliceMut,
    net::UdpSocket,
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Between two looks at the socket. Its buffer holds much more than what comes in between.
const LOOK: Duration = Duration::from_millis(100);
/// Larger than any packet there is.
const BUFFER: usize = 65_536;

/// An RTP packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the kernel had it, nanoseconds of the wall clock.
    pub came: u64,
    /// Its sequence number.
    pub sequence: u16,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// All that came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// RTP packets, in order.
    pub packets: Vec<Arrival>,
    /// Datagrams that were none.
    pub strange: usize,
}

impl Received {
    /// When the first came and when the last one did, nanoseconds of the wall clock.
    pub fn span(&self) -> Option<(u64, u64)> {
        self.packets.first().zip(self.packets.last()).map(|(first, last)| (first.came, last.came))
    }
}

/// Takes what comes until it is asked for it.
#[derive(Debug)]
pub struct Receiver {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<anyhow::Result<Received>>,
}

impl Receiver {
    /// Starts to read `socket`.
    pub fn start(socket: &UdpSocket) -> anyhow::Result<Self> {
        let socket = socket.try_clone()?;
        setsockopt(&socket, ReceiveTimestampns, &true).context("SO_TIMESTAMPNS")?;
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let stop = Arc::clone(&stop);
            move || read(&socket, &stop)
        });
        Ok(Self { stop, reader })
    }

    /// What came so far. The senders have ended; what they sent is here.
    pub fn finish(self) -> anyhow::Result<Received> {
        self.stop.store(true, Ordering::Release);
        self.reader.join().expect("the reader does not panic")
    }
}

fn read(socket: &UdpSocket, stop: &AtomicBool) -> anyhow::Result<Received> {
    let mut received = Received::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        // Before the last look, not after it.
        let last = stop.load(Ordering::Acquire);
        while let Some((octets, came)) = take(socket, &mut buffer)? {
            match RtpPacket::parse(&buffer[..octets]) {
                Ok(packet) if packet.version() == 2 => received.packets.push(Arrival {
                    came,
                    sequence: packet.sequence_number(),
                    payload: packet.payload().to_vec(),
                }),
                _ => received.strange += 1,
            }
        }
        if last {
            return Ok(received);
        }
        thread::sleep(LOOK);
    }
}

/// The next datagram's octets and time, if one is there.
fn take(socket: &UdpSocket, buffer: &mut [u8]) -> anyhow::Result<Option<(usize, u64)>> {
    let mut control = cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
        Err(Errno::EAGAIN) => return Ok(None),
        other => other.context("receiving")?,
    };
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    });
    let came = stamp.context("a packet without a time stamp")?;
    Ok(Some((message.bytes, u64::try_from(came.as_nanos())?)))
}

#[cfg(test)]
mod tests {
    use super::{Receiver, take};
    use crate::stream::header;
    use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
    use std::{
        net::UdpSocket,
        thread,
        time::{Duration, Instant, SystemTime, UNIX_EPOCH},
    };

    /// Waits until the kernel stamps packets when they arrive: it begins a moment after it is first asked to
    /// (`net_enable_timestamp`), and stamps them when they are read until then. The socket keeps it at that.
    fn stamping() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&socket, ReceiveTimestampns, &true).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < deadline, "no packet is stamped when it arrives");
            socket.send_to(b"now?", socket.local_addr().unwrap()).unwrap();
            let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let (_, came) = take(&socket, &mut [0; 9]).unwrap().expect("a loopback delivers at once");
            if u128::from(came) <= sent.as_nanos() {
                return socket;
            }
        }
    }

    #[test]
    fn packets_come_with_their_times() {
        let _stamping = stamping();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = Receiver::start(&socket).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let apart = Duration::from_millis(20);
        for number in 0..2 {
            sender.send_to(&[&header(number)[..], b"payload"].concat(), to).unwrap();
            thread::sleep(apart);
        }
        sender.send_to(b"not RTP", to).unwrap();
        let received = listener.finish().unwrap();
        assert_eq!((received.packets.len(), received.strange), (2, 1));
        let [first, second] = &received.packets[..] else { unreachable!() };
        assert_eq!(first.payload, b"payload");
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
        assert!(second.came - first.came >= 20_000_000, "{received:?}");
    }
}
