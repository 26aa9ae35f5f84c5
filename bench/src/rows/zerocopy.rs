//! What the rows share that send from a mapping without copying: `MSG_ZEROCOPY`, and the notices by which the kernel
//! says that it needs the memory no longer (`Documentation/networking/msg_zerocopy.rst`).

use crate::{devices::UNFRAGMENTED, media::Media};
use anyhow::{Context, bail, ensure};
use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::SetBool},
};
use socket2::Socket;
use std::{
    io::IoSlice,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

/// The socket takes `MSG_ZEROCOPY` (Linux 5.0 for UDP).
#[derive(Clone)]
struct Allowed;

nix::setsockopt_impl!(Allowed, libc::SOL_SOCKET, libc::SO_ZEROCOPY, bool, SetBool);

/// Sends without a notice; then all notices are taken, which the kernel has merged into one.
pub const UNNOTICED: u32 = 32;
/// The same where each call is a whole batch.
pub const UNNOTICED_BATCHES: u32 = 8;
/// `SO_EE_ORIGIN_ZEROCOPY` (linux/errqueue.h): an entry of the error queue that is such a notice.
const ORIGIN_ZEROCOPY: u8 = 5;
/// How long a notice may take: packets are on their way for no longer than the call here.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many sends the kernel may still read from.
#[derive(Debug, Default)]
pub struct ZeroCopy {
    waiting: u32,
}

impl ZeroCopy {
    /// Makes `socket` one that sends without copying, packets of `header` octets and a payload of `media`'s.
    pub fn open(socket: &Socket, media: &Media, header: usize) -> anyhow::Result<Self> {
        // The checksum of fragments is computed in software, and for that the kernel copies (`__ip_append_data`).
        ensure!(
            header + media.payload_len <= UNFRAGMENTED,
            "MSG_ZEROCOPY copies what is larger than the MTU"
        );
        setsockopt(socket, Allowed, &true).context("SO_ZEROCOPY")?;
        Ok(Self::default())
    }

    /// Sends `parts` as one packet or batch; they must stay as they are until [`Self::reap`].
    pub fn send(&mut self, socket: &Socket, parts: &[IoSlice]) -> anyhow::Result<()> {
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        let sent = socket.send_vectored_with_flags(parts, libc::MSG_ZEROCOPY).context("sendmsg")?;
        ensure!(sent == octets, "sendmsg took {sent} octets");
        self.waiting += 1;
        Ok(())
    }

    /// Takes notices once there are `most` sends without.
    pub fn reap_beyond(&mut self, socket: &Socket, most: u32) -> anyhow::Result<()> {
        if self.waiting < most { Ok(()) } else { self.reap(socket) }
    }

    /// Waits until the kernel has done with all that was sent.
    fn reap(&mut self, socket: &Socket) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.waiting > 0 {
            match notice(socket)? {
                Some(done) => {
                    ensure!(
                        done <= self.waiting,
                        "{done} sends are done of {} that there were",
                        self.waiting
                    );
                    self.waiting -= done;
                }
                None if begin.elapsed() > PATIENCE => bail!("no notice of {} sends", self.waiting),
                None => thread::yield_now(),
            }
        }
        Ok(())
    }
}

/// How many sends the next notice is of, if there is one.
fn notice(socket: &Socket) -> anyhow::Result<Option<u32>> {
    let mut space = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
    let notice = recvmsg::<()>(socket.as_raw_fd(), &mut [], Some(&mut space), MsgFlags::MSG_ERRQUEUE);
    let notice = match notice {
        Err(Errno::EAGAIN) => return Ok(None),
        other => other.context("a notice")?,
    };
    for message in notice.cmsgs()? {
        if let ControlMessageOwned::Ipv4RecvErr(said, _) = message {
            let origin = said.ee_origin;
            ensure!(origin == ORIGIN_ZEROCOPY, "an error of origin {origin}: {}", said.ee_errno);
            // From the first send to the last that it is of, both counted (modulo 2^32).
            return Ok(Some(said.ee_data.wrapping_sub(said.ee_info).wrapping_add(1)));
        }
    }
    bail!("a notice that says nothing")
}
