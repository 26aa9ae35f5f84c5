//! `MSG_ZEROCOPY`: the kernel sends the sender's own pages, and says on the
//! socket's error queue when it has done with them (Linux 4.14; UDP since 5.0).

use crate::rows::Notices;
use anyhow::{Context, bail, ensure};
use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::SetBool},
};
use socket2::Socket;
use std::os::fd::{AsFd, AsRawFd};

#[derive(Clone)]
struct ZeroCopy;

nix::setsockopt_impl!(ZeroCopy, libc::SOL_SOCKET, libc::SO_ZEROCOPY, bool, SetBool);

/// `SO_EE_ORIGIN_ZEROCOPY` (linux/errqueue.h), which libc does not have.
const ORIGIN_ZEROCOPY: u8 = 5;
/// `SO_EE_CODE_ZEROCOPY_COPIED`, likewise.
const CODE_COPIED: u8 = 1;
/// How long a completion may take, milliseconds.
const PATIENCE: u16 = 2_000;

/// The calls of a socket whose pages are still in use.
#[derive(Debug, Default)]
pub struct Completions {
    outstanding: usize,
    /// What was said of those that are done with. Of several that the kernel puts into one notice it says what it
    /// said of the first.
    pub notices: Notices,
}

impl Completions {
    /// Lets `socket` send by `MSG_ZEROCOPY`.
    pub fn on(socket: &Socket) -> anyhow::Result<Self> {
        setsockopt(socket, ZeroCopy, &true).context("SO_ZEROCOPY")?;
        Ok(Self::default())
    }

    /// A call with `MSG_ZEROCOPY` was made. How many have not been done with.
    pub fn called(&mut self) -> usize {
        self.outstanding += 1;
        self.outstanding
    }

    /// Waits until the kernel has done with all pages.
    pub fn reap(&mut self, socket: &Socket) -> anyhow::Result<()> {
        while self.outstanding > 0 {
            let (done, copied) = take(socket)?;
            ensure!(done <= self.outstanding, "{done} completions of {} calls", self.outstanding);
            self.outstanding -= done;
            self.notices.sends += done as u64;
            self.notices.copied += if copied { done as u64 } else { 0 };
            if done == 0 {
                // The error queue is always asked for.
                let mut asked = [PollFd::new(socket.as_fd(), PollFlags::empty())];
                let answers = poll(&mut asked, PollTimeout::from(PATIENCE)).context("poll")?;
                ensure!(answers > 0, "{} sends with MSG_ZEROCOPY were not completed", self.outstanding);
            }
        }
        Ok(())
    }
}

/// Calls that the next message on the error queue completes, and whether they were copied: it names the first and the
/// last of them, counted modulo 2^32.
fn take(socket: &Socket) -> anyhow::Result<(usize, bool)> {
    let mut space = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<()>(socket.as_raw_fd(), &mut [], Some(&mut space), flags) {
        Ok(message) => message,
        Err(Errno::EAGAIN) => return Ok((0, false)),
        Err(error) => return Err(error).context("the error queue"),
    };
    let Some(ControlMessageOwned::Ipv4RecvErr(error, _)) = message.cmsgs()?.next() else {
        bail!("no completion on the error queue");
    };
    ensure!(
        error.ee_origin == ORIGIN_ZEROCOPY,
        "on the error queue: {}",
        Errno::from_raw(error.ee_errno.cast_signed())
    );
    Ok((error.ee_data.wrapping_sub(error.ee_info) as usize + 1, error.ee_code & CODE_COPIED != 0))
}
