//! A file that appears under its name whole, or not at all.

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// What the names of files in the making end in.
pub const ENDING: &str = ".part";

/// Between two looks at a lock that others have.
const LOOK: Duration = Duration::from_millis(20);

/// A file in the making. Who is killed leaves it behind; the next who makes the
/// same file writes over it, since its lock is free.
#[derive(Debug)]
pub struct Part {
    file: File,
    hidden: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl Part {
    /// Begins the file at `path`. Whoever else is making it is waited for, as
    /// long as `wait` says so; `None`: it no longer does.
    pub fn begin(path: &Path, wait: &mut dyn FnMut() -> bool) -> io::Result<Option<Self>> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut name_of_part = OsString::from(".");
        name_of_part.push(name);
        name_of_part.push(ENDING);
        let hidden = path.with_file_name(name_of_part);
        let file = loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&hidden)?;
            if !lock(&file, wait)? {
                return Ok(None);
            }
            // Who had it may have finished it, and then it has another name.
            let ours = file.metadata()?.ino();
            if fs::metadata(&hidden).is_ok_and(|now| now.ino() == ours) {
                break file;
            }
        };
        file.set_len(0)?;
        Ok(Some(Self { file, hidden, path: path.into(), finished: false }))
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name once all of it is on the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.hidden, &self.path)?;
        self.finished = true;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Locks `file` for us alone, as soon as others let it go; `false`: `wait` said no before.
pub fn lock(file: &File, wait: &mut dyn FnMut() -> bool) -> io::Result<bool> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if wait() => thread::sleep(LOOK),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.hidden);
        }
    }
}
