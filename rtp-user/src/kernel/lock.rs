//! One krtp at a time, where several share a place. A file that root alone can
//! open: a lock on a directory such as `/run` is anybody's to take and to keep.

use rustix::{
    fd::OwnedFd,
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

/// How long another krtp may take. None keeps a lock for as long as a stream
/// lasts; the longest is a `krtp detach` that waits for streams to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(5);

/// Why a lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Its file cannot be opened.
    #[error("{path}: {source}{}", remedy(source))]
    Open {
        /// The file.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Somebody does not let go of it.
    #[error(
        "{0} has been locked for {secs} s by another krtp (attach, detach, or a stream that begins): \
         see which with `lslocks`, and end it",
        secs = .1.as_secs()
    )]
    Held(String, Duration),
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run as root" } else { "" }
}

impl LockError {
    /// Whether this process may have no such lock: it is not root's, or nothing can be written there.
    pub fn is_barred(&self) -> bool {
        use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Open { source, .. } => {
                matches!(source.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
            }
            Self::Held(..) => false,
        }
    }
}

/// Waits for the lock at `path`. Held until dropped.
pub fn take(path: &str) -> Result<OwnedFd, LockError> {
    take_within(path, PATIENCE)
}

fn take_within(path: &str, patience: Duration) -> Result<OwnedFd, LockError> {
    let failed = |error: Errno| LockError::Open { path: path.to_owned(), source: error.into() };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Never removed: who waits for it would then have another file than who comes next.
    let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => thread::sleep(LOOK),
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(LockError::Held(path.to_owned(), patience)),
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LockError, take, take_within};
    use std::{
        fs, io,
        os::unix::fs::{PermissionsExt as _, symlink},
        thread,
        time::Duration,
    };

    #[test]
    fn a_lock_is_waited_for_but_not_for_ever() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let path = path.to_str().expect("letters");
        let held = take(path).expect("nobody has it");
        let mode = fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else opens it");
        let error = take_within(path, Duration::ZERO).expect_err("it is taken");
        assert!(error.to_string().starts_with(path) && error.to_string().contains("lslocks"), "{error}");
        assert!(!error.is_barred());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| take(path).map(drop));
            drop(held);
            waiting.join().expect("no panic").expect("it is free again");
        });
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let [path, other] = ["lock", "other"].map(|name| directory.path().join(name));
        symlink(&other, &path).expect("our directory");
        let error = take(path.to_str().expect("letters")).expect_err("a link");
        assert!(matches!(error, LockError::Open { .. }), "{error}");
        assert!(!other.exists());
    }

    #[test]
    fn some_may_have_no_lock() {
        let of = |errno| LockError::Open { path: String::new(), source: io::Error::from_raw_os_error(errno) };
        for (errno, barred) in
            [(libc::EACCES, true), (libc::EROFS, true), (libc::ENOENT, true), (libc::ELOOP, false)]
        {
            assert_eq!(of(errno).is_barred(), barred, "{errno}");
        }
    }
}
