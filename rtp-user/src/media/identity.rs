//! Which file, and which content of it.

use bytemuck::{Pod, Zeroable};
use std::{
    fs::File,
    io,
    time::{Duration, SystemTime},
};

/// A file's content as far as the system tells it apart: same identity, same
/// octets.
///
/// The system stamps a write with the last tick of a coarse clock, so two
/// writes within a tick look alike; see [`Self::is_settled`]. Through a shared
/// mapping only the first write to a page since its write-back is stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Identity {
    /// Device that holds the file, `st_dev`.
    pub device: u64,
    /// The file's number on it, `st_ino`.
    pub inode: u64,
    /// Octets.
    pub size: u64,
    /// Last write, nanoseconds since 1970, `st_mtim`.
    pub modified: i64,
    /// Last write or change of the inode, nanoseconds since 1970, `st_ctim`.
    /// No program can set it.
    pub changed: i64,
}

const NANOSECONDS: i64 = 1_000_000_000;

impl Identity {
    /// The identity of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        // Once per batch: fstat(2), which does less than statx(2).
        let status = rustix::fs::fstat(file)?;
        // Stamps are only compared: one beyond the year 2262 may wrap.
        let stamp =
            |seconds: i64, rest: u64| seconds.wrapping_mul(NANOSECONDS).wrapping_add(rest.cast_signed());
        Ok(Self {
            device: status.st_dev,
            inode: status.st_ino,
            size: status.st_size.cast_unsigned(),
            modified: stamp(status.st_mtime, status.st_mtime_nsec),
            changed: stamp(status.st_ctime, status.st_ctime_nsec),
        })
    }

    /// Whether a write from `now` on gives the file another identity. If not,
    /// what is read from now on must not be kept under this identity.
    ///
    /// A stamp of whole seconds is taken for one of a file system that has no
    /// finer ones (FAT: two seconds); else it is two ticks of the slowest kernel.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        [self.modified, self.changed].into_iter().all(|stamp| {
            let tick =
                if stamp % NANOSECONDS == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) };
            let since_1970 = Duration::from_nanos(stamp.unsigned_abs());
            let stamped = if stamp < 0 {
                SystemTime::UNIX_EPOCH.checked_sub(since_1970)
            } else {
                SystemTime::UNIX_EPOCH.checked_add(since_1970)
            };
            // A stamp ahead of the clock is told apart just as well.
            stamped.is_none_or(|stamped| match now.duration_since(stamped) {
                Ok(past) => past >= tick,
                Err(ahead) => ahead.duration() >= tick,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;
    use std::{
        fs::{self, File},
        io::Write as _,
        time::{Duration, SystemTime},
    };

    #[test]
    fn a_written_file_is_another_once_it_had_settled() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.ts");
        fs::write(&path, "before").expect("room for it");
        let mut file = File::options().read(true).append(true).open(&path).expect("our file");
        let before = Identity::of(&file).expect("open");
        assert_eq!(before.size, 6);
        while !before.is_settled(SystemTime::now()) {
            std::thread::yield_now();
        }
        assert_eq!(Identity::of(&File::open(&path).expect("our file")).expect("open"), before);
        // Same length, and the modification time set back as `cp -p` or `touch -r` do.
        let modified = file.metadata().and_then(|status| status.modified()).expect("a time");
        file.set_len(5).expect("our file");
        file.write_all(b"!").expect("room for it");
        file.set_modified(modified).expect("our file");
        let after = Identity::of(&file).expect("open");
        assert_eq!((after.size, after.modified), (before.size, before.modified));
        assert_ne!(after, before);
        fs::copy(&path, dir.path().join("b.ts")).expect("room for it");
        let copy = Identity::of(&File::open(dir.path().join("b.ts")).expect("our file")).expect("open");
        assert_ne!(copy.inode, after.inode);
    }

    #[test]
    fn a_stamp_settles_after_the_clock_s_tick() {
        const FINE: i64 = 50_000_000_001;
        const COARSE: i64 = 50_000_000_000;
        let file = |modified, changed| Identity { device: 1, inode: 2, size: 3, modified, changed };
        let at = |nanoseconds| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        let cases = [
            ("just written", file(FINE, FINE), 50_000_000_002, false),
            ("a tick ago", file(FINE, FINE), 50_020_000_001, true),
            ("old, its inode just changed", file(1, FINE), 50_000_000_002, false),
            ("coarse stamps, a tick ago", file(COARSE, COARSE), 50_020_000_001, false),
            ("coarse stamps, long ago", file(COARSE, COARSE), 52_000_000_000, true),
            ("ahead of the clock", file(FINE, FINE), 40_000_000_000, true),
            ("just ahead of the clock", file(FINE, FINE), 50_000_000_000, false),
            ("before 1970", file(-FINE, -FINE), 0, true),
            ("at no time that is", file(i64::MIN, i64::MAX), 0, true),
        ];
        for (case, identity, now, settled) in cases {
            assert_eq!(identity.is_settled(at(now)), settled, "{case}");
        }
    }
}
