//! What was on an interface before krtp put a qdisc there, written down: four octets of a mark, and then the requests that
//! put it back.

use crate::net::qdisc::plan::Request;
use rtnetlink::{packet_core::NetlinkMessage, packet_route::RouteNetlinkMessage};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{FlockOperation, Mode, OFlags, flock, fstat, ftruncate, open, stat, unlink},
    io::{pread, pwrite},
};
use std::{ffi::CString, io, sync::Arc};

/// Octets in front of the requests.
pub const MARK_LEN: u64 = 4;
/// The mark of a record that streams alone hold.
pub const FREE: [u8; 4] = [0, 0, 0, 0];
/// The mark of one that `krtp attach` holds.
pub const PINNED: [u8; 4] = [0, 0, 0, 1];
/// Octets of the longest answer, and of the longest request in a record.
pub const LONGEST: usize = 8192;

/// An open record, locked shared.
#[derive(Clone, Debug)]
pub struct Record {
    file: Arc<OwnedFd>,
    path: CString,
}

impl Record {
    /// Opens the record at `path`, which has no zero octet, or makes it.
    pub fn open(path: &str) -> io::Result<Self> {
        let path = CString::new(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = loop {
            let file = open(path.as_c_str(), flags, Mode::RUSR | Mode::WUSR)?;
            flock(&file, FlockOperation::LockShared)?;
            // Its last holder may just have removed it.
            let is_same = |now: rustix::fs::Stat| fstat(&file).is_ok_and(|ours| ours.st_ino == now.st_ino);
            if stat(path.as_c_str()).is_ok_and(is_same) {
                break file;
            }
        };
        Ok(Self { file: Arc::new(file), path })
    }

    /// Whether there is nothing to put back.
    pub fn is_empty(&self) -> bool {
        fstat(&self.file).is_ok_and(|stat| stat.st_size.cast_unsigned() <= MARK_LEN)
    }

    /// Writes the mark.
    pub fn mark(&self, mark: [u8; 4]) -> io::Result<()> {
        Ok(pwrite(&self.file, &mark, 0).map(drop)?)
    }

    /// Writes the requests that put back what was there.
    pub fn write(&self, requests: &[Request]) -> io::Result<()> {
        let mut octets = Vec::new();
        for request in requests {
            let request = encode(request.clone());
            if request.len() > LONGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            octets.extend(request);
        }
        // The mark may be there; a hole is as good as `FREE`.
        ftruncate(&self.file, MARK_LEN)?;
        match pwrite(&self.file, &octets, MARK_LEN)? {
            written if written == octets.len() => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// Whether `krtp attach` holds the record open as `descriptor`. Allocates nothing.
    pub fn is_pinned(descriptor: BorrowedFd<'_>) -> bool {
        let mut mark = FREE;
        pread(descriptor, &mut mark, 0).is_ok() && mark == PINNED
    }

    /// Whether nobody holds the record at `path`. Not of one that we may not read.
    pub fn is_left(path: &str) -> bool {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        open(path, flags, Mode::empty()).is_ok_and(|file| {
            let free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
            free && !Self::is_pinned(file.as_fd())
        })
    }

    /// Removes it. Allocates nothing.
    pub fn remove(&self) {
        let _ = unlink(self.path.as_c_str());
    }
}

impl AsFd for Record {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The octets of a request.
pub fn encode(mut message: NetlinkMessage<RouteNetlinkMessage>) -> Vec<u8> {
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{FREE, PINNED, Record};

    #[test]
    fn a_record_is_left_when_nobody_holds_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("record");
        let path = path.to_str().expect("letters");
        assert!(!Record::is_left(path), "there is none");
        let record = Record::open(path).expect("ours");
        assert!(!Record::is_left(path), "a stream holds it");
        record.mark(PINNED).expect("ours");
        drop(record);
        assert!(!Record::is_left(path), "attached");
        Record::open(path).expect("ours").mark(FREE).expect("ours");
        assert!(Record::is_left(path));
    }
}
