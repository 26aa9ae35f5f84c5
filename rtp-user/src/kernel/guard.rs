//! The guardian: a small process that lives as long as its parent and then
//! removes what the parent made and the kernel would keep: the segmenter, and
//! on kernels without tcx the filter, and the qdisc. So nothing stays behind, also by SIGKILL,
//! and there is one way of cleaning up, not two.

use super::undo::Undo;
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::{Pid, WaitOptions, waitpid},
};
use std::io;

/// Holds the guardian: on drop the guardian does its work and is waited for.
#[derive(Debug)]
pub struct Guard {
    child: Pid,
    /// The guardian's read end sees our end close, however we end.
    alive: Option<OwnedFd>,
}

impl Guard {
    /// Starts a guardian for `undo`, in the current network namespace. Where
    /// there can be none (a limit of processes), it is undone at once.
    pub fn start(undo: &Undo) -> io::Result<Self> {
        Self::fork(undo).inspect_err(|_| {
            if let Ok(socket) = Undo::socket() {
                undo.run(socket);
            }
        })
    }

    fn fork(undo: &Undo) -> io::Result<Self> {
        let (watch, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let socket = Undo::socket()?;
        // SAFETY: the child runs `watch_over` only, which makes system calls
        // and neither allocates nor takes locks, and never returns.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => watch_over(undo, &watch, &socket),
            child => Ok(Self {
                child: Pid::from_raw(child).expect("fork returns a positive id to the parent"),
                alive: Some(alive),
            }),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.alive = None;
        while let Err(Errno::INTR) = waitpid(Some(self.child), WaitOptions::empty()) {}
    }
}

/// The guardian's life.
fn watch_over(undo: &Undo, watch: &OwnedFd, socket: &OwnedFd) -> ! {
    const NAME: &[u8] = b"krtp-guardian\0";
    let record = undo.record().map(|record| record.as_raw_fd());
    // SAFETY: system calls on plain numbers, valid descriptors and a static
    // string, in a process of one thread. Descriptors 0 to 2 become ours and
    // all others are closed: a pipe to a reader, a socket or a BPF link must
    // not outlive the parent because of us.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
        // Ctrl-C goes to the whole group, a hang-up to the whole session.
        libc::setsid();
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
        let watch = libc::fcntl(watch.as_raw_fd(), libc::F_DUPFD, 3);
        let socket = libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD, 3);
        let record = record.map(|record| libc::fcntl(record, libc::F_DUPFD, 3));
        libc::dup2(watch, 0);
        libc::dup2(socket, 1);
        match record {
            Some(record) => libc::dup2(record, 2),
            None => libc::close(2),
        };
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
    }
    let mut octet = [0];
    // SAFETY: descriptor 0 is the pipe. It is readable only when it ends.
    while unsafe { libc::read(0, octet.as_mut_ptr().cast(), 1) } > 0 {}
    // SAFETY: descriptor 1 is the netlink socket, and 2 the record if there is
    // one; both are open until the process ends.
    let (socket, record) = unsafe { (BorrowedFd::borrow_raw(1), record.map(|_| BorrowedFd::borrow_raw(2))) };
    undo.run_with(socket, record);
    // SAFETY: ends the process without running anything of the parent's.
    unsafe { libc::_exit(0) }
}
