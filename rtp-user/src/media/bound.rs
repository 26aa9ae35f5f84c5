//! A directory of files that can be made again, kept within a size.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
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

/// One part of the limit in so many may be written between two looks at all files, since a look costs as much as there
/// are files; and where there is no room left, room for one such part is made.
const SHARE: u64 = 16;

/// What a directory's files may take, and what they take.
#[derive(Debug)]
pub struct Bound {
    limit: u64,
    known: Mutex<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// When last looked at.
    octets: u64,
    /// Written since. What is replaced counts twice until the next look.
    added: u64,
}

impl Bound {
    /// Of `limit` octets.
    pub fn new(limit: u64) -> Self {
        Self { limit, known: Mutex::default() }
    }

    /// Notes that `octets` were written to `new`, a file of `dir` whose name ends in `ending`. If such files take more
    /// than the limit, those go first that were used least recently, until a sixteenth of it is free; and now and then
    /// what killed writers left. `new` stays. The number of files removed.
    pub fn added(&self, dir: &Path, ending: &str, new: &Path, octets: u64) -> io::Result<usize> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known { octets: before, added }) = known.as_mut() {
            *added += octets;
            if *added <= self.limit / SHARE && *before + *added <= self.limit {
                return Ok(0);
            }
        }
        let (removed, left) = keep_within(dir, ending, self.limit, new)?;
        *known = Some(Known { octets: left, added: 0 });
        Ok(removed)
    }
}

/// Removes files of `dir` as [`Bound::added`] says: the number of those removed, and the octets of those that count and
/// are left.
fn keep_within(dir: &Path, ending: &str, limit: u64, spare: &Path) -> io::Result<(usize, u64)> {
    let (kept, waste) = read(dir, ending, SystemTime::now())?;
    let octets = |entries: &[Entry]| entries.iter().map(|entry| entry.octets).sum::<u64>();
    let all = octets(&kept);
    let surplus = if all > limit { surplus(kept, limit - limit / SHARE, spare) } else { Vec::new() };
    let mut removed = 0;
    for path in surplus.iter().map(|entry| &entry.path).chain(&waste) {
        match fs::remove_file(path) {
            Ok(()) => removed += 1,
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((removed, all - octets(&surplus)))
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
fn surplus(mut entries: Vec<Entry>, limit: u64, spare: &Path) -> Vec<Entry> {
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.path == spare, entry.used)));
    let mut octets = 0;
    let over = |entry: &Entry| {
        octets += entry.octets;
        octets > limit && entry.path != spare
    };
    entries.into_iter().filter(over).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bound, Entry, surplus, touch};
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
            let gone: Vec<_> = gone.iter().map(|entry| &*entry.path).collect();
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
        let bound = Bound::new(250);
        assert_eq!(bound.added(dir.path(), ".index", &path("two.index"), 100).unwrap(), 2);
        let left = |name: &str| path(name).exists();
        assert!(
            left("one.index") && left("two.index") && !left("three.index"),
            "the oldest that is not spared"
        );
        assert!(left("a.film"), "not ours");
        assert!(left(".tmpNew") && !left(".tmpOld"), "what nobody writes any more");
        assert_eq!(bound.added(dir.path(), ".index", Path::new(""), 0).unwrap(), 0);
    }

    #[test]
    fn a_directory_is_looked_at_now_and_then_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |number: usize| dir.path().join(format!("{number}.index"));
        let bound = Bound::new(32_000);
        let add = |number| {
            fs::write(path(number), [0; 100]).expect("room for it");
            bound.added(dir.path(), ".index", &path(number), 100).unwrap()
        };
        let count = || fs::read_dir(dir.path()).expect("ours").count();
        assert_eq!((0..320).map(add).sum::<usize>(), 0, "they fit");
        assert_eq!((add(320), count()), (21, 300), "and now a sixteenth is free");
        assert_eq!(((321..341).map(add).sum::<usize>(), count()), (0, 320));
        // What others write is seen before it is much.
        (1000..1020).for_each(|number| fs::write(path(number), [0; 100]).expect("room for it"));
        assert_eq!((add(341), count()), (41, 300));
    }
}
