//! A directory of files that can be made again, kept within a size.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What a writer that was killed has left under a temporary name is waste after this time.
const WASTE: Duration = Duration::from_hours(24);

/// A file of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    octets: u64,
    /// Its modification time, which [`touch`] moves on.
    used: SystemTime,
}

/// Notes that the file was used. One that is not ours to touch goes before its time, no more.
pub fn touch(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// Removes files of `dir` whose names end in `ending`, those first that were used least recently, until the rest take
/// no more than `limit` octets; and what killed writers left. `spare` stays. The number of files removed.
pub fn keep_within(dir: &Path, ending: &str, limit: u64, spare: &Path) -> io::Result<usize> {
    let (kept, waste) = read(dir, ending, SystemTime::now())?;
    let surplus = surplus(kept, limit, spare);
    let mut removed = 0;
    for path in surplus.iter().chain(&waste) {
        match fs::remove_file(path) {
            Ok(()) => removed += 1,
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// The files that count, and those that nobody will ever look for.
fn read(dir: &Path, ending: &str, now: SystemTime) -> io::Result<(Vec<Entry>, Vec<PathBuf>)> {
    let (mut kept, mut waste) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(status) = entry.metadata() else { continue };
        let used = status.modified().unwrap_or(now);
        if !status.is_file() {
            continue;
        }
        if name.ends_with(ending) {
            kept.push(Entry { path: entry.path(), octets: status.len(), used });
        } else if name.starts_with(".tmp") && now.duration_since(used).is_ok_and(|age| age > WASTE) {
            waste.push(entry.path());
        }
    }
    Ok((kept, waste))
}

/// Which of `entries` have to go.
fn surplus(mut entries: Vec<Entry>, limit: u64, spare: &Path) -> Vec<PathBuf> {
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.path == spare, entry.used)));
    let mut octets = 0;
    let over = |entry: &Entry| {
        octets += entry.octets;
        octets > limit && entry.path != spare
    };
    entries.into_iter().filter(over).map(|entry| entry.path).collect()
}

#[cfg(test)]
mod tests {
    use super::{Entry, keep_within, surplus, touch};
    use std::{
        fs::{self, File},
        path::Path,
        time::{Duration, SystemTime},
    };

    fn entry(name: &str, octets: u64, used: u64) -> Entry {
        Entry { path: name.into(), octets, used: SystemTime::UNIX_EPOCH + Duration::from_secs(used) }
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let all = || vec![entry("b", 30, 2), entry("d", 10, 4), entry("a", 10, 1), entry("c", 20, 3)];
        let cases: [(u64, &str, &[&str]); 7] = [
            (70, "", &[]),
            (69, "", &["a"]),
            (60, "", &["a"]),
            (59, "", &["b", "a"]),
            (30, "b", &["d", "c", "a"]),
            (0, "b", &["d", "c", "a"]),
            (0, "", &["d", "c", "b", "a"]),
        ];
        for (limit, spare, expected) in cases {
            let gone = surplus(all(), limit, Path::new(spare));
            let expected: Vec<_> = expected.iter().map(Path::new).collect();
            assert_eq!(gone, expected, "{limit} octets, sparing {spare:?}");
        }
    }

    #[test]
    fn a_directory_is_brought_within_its_size() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let old = SystemTime::now() - Duration::from_hours(48);
        for name in ["one.index", "two.index", "three.index", "a.film", ".tmpOld", ".tmpNew"] {
            fs::write(path(name), [0; 100]).expect("room for it");
            if name != ".tmpNew" {
                File::options().write(true).open(path(name)).unwrap().set_modified(old).unwrap();
            }
        }
        touch(&File::open(path("one.index")).unwrap());
        assert_eq!(keep_within(dir.path(), ".index", 250, &path("two.index")).unwrap(), 2);
        let left = |name: &str| path(name).exists();
        assert!(
            left("one.index") && left("two.index") && !left("three.index"),
            "the oldest that is not spared"
        );
        assert!(left("a.film"), "not ours");
        assert!(left(".tmpNew") && !left(".tmpOld"), "what nobody writes any more");
        assert_eq!(keep_within(dir.path(), ".index", 250, Path::new("")).unwrap(), 0);
    }
}
