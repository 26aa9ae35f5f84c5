use super::{Cache, ENDING, entries, touch};
use crate::{
    media::{
        Wish,
        library::Library,
        pcr,
        prepared::{Copy, format::Numbers},
    },
    pace::Pace,
    prepare::{Original, PrepareError},
};
use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::PathBuf,
    thread,
};

/// Films of the same length, and a cache.
struct Shelf {
    dir: tempfile::TempDir,
    cache: Cache,
}

impl Shelf {
    /// With room for `copies`.
    fn new(copies: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let directory = dir.path().join("copies");
        let mut shelf = Self { dir, cache: Cache { directory, limit: u64::MAX } };
        shelf.cache.limit = shelf.original("size").octets() * copies + 4000 * copies;
        shelf
    }

    fn film(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        if !path.exists() {
            let packets = (0..7000).flat_map(|packet| pcr::packet_with_pcr(0x100, packet * 1000));
            fs::write(&path, packets.collect::<Vec<_>>()).expect("room for it");
        }
        path
    }

    fn original(&self, name: &str) -> Original {
        Original::open(&self.film(name), &Wish::default(), Pace::Pcr).expect("a film")
    }

    fn copy(&self, name: &str) -> Result<Copy, PrepareError> {
        self.wait_for_a_later_time();
        let numbers = Numbers { ssrc: crc32fast::hash(name.as_bytes()), ..Numbers::default() };
        self.cache.copy(self.original(name), numbers, &Library::new(None), &mut |_, _| true)
    }

    /// Waits until a use from now on is told from all before: access times are
    /// those of a clock that ticks slowly, but may begin as those of a fine one.
    fn wait_for_a_later_time(&self) {
        let scratch = File::create(self.dir.path().join("scratch")).expect("ours");
        let used = |file: &File| file.metadata().map(|now| (now.atime(), now.atime_nsec())).expect("ours");
        let last = entries(&self.cache.directory).ok().and_then(|all| all.iter().map(|it| it.used).max());
        while last >= Some(used(&scratch)) {
            thread::yield_now();
            touch(&scratch);
        }
    }

    /// Which films have a copy, and all that is there beside.
    fn holds(&self) -> Vec<String> {
        let names =
            fs::read_dir(&self.cache.directory).expect("ours").map(|entry| entry.expect("ours").path());
        let names = names.filter(|path| path.file_name().is_some_and(|name| name != ".lock"));
        let name = |path: PathBuf| match Copy::open(&path) {
            Ok(copy) => copy.head().source.file_name().expect("a name").to_str().expect("letters").to_owned(),
            Err(error) => error.to_string(),
        };
        let mut names: Vec<_> = names.map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn a_copy_is_made_once() {
    let shelf = Shelf::new(2);
    let [one, two] = [(); 2].map(|()| shelf.copy("a").expect("room for it"));
    assert_eq!(one.identity().inode, two.identity().inode);
    assert_eq!(shelf.holds(), ["a"]);
    // Another way to send it is another copy.
    let wish = Wish { payload: Some(188), ..Wish::default() };
    let small = Original::open(&shelf.film("a"), &wish, Pace::Pcr).expect("a film");
    let cache = Cache { limit: u64::MAX, ..shelf.cache.clone() };
    let small =
        cache.copy(small, Numbers::default(), &Library::new(None), &mut |_, _| true).expect("room for it");
    assert_eq!(small.plan().payload(), 188);
    assert_eq!(shelf.holds(), ["a", "a"]);
}

#[test]
fn the_least_recently_used_goes_but_none_in_use() {
    let shelf = Shelf::new(2);
    for name in ["a", "b", "a", "c"] {
        shelf.copy(name).expect("room for it");
    }
    assert_eq!(shelf.holds(), ["a", "c"]);
    let (a, c) = (shelf.copy("a").expect("it is there"), shelf.copy("c").expect("it is there"));
    let error = shelf.copy("b").expect_err("both are in use").to_string();
    assert!(error.contains("has no room for the") && error.contains("--cache-size"), "{error}");
    assert_eq!(shelf.holds(), ["a", "c"]);
    let changed = (c.identity().modified, c.identity().size);
    drop(a);
    shelf.copy("b").expect("a is free");
    assert_eq!(shelf.holds(), ["b", "c"]);
    // Its use is noted without a word to those who send it.
    let now = crate::media::Identity::of(c.file()).expect("open");
    assert_eq!((now.modified, now.size), changed);
}

#[test]
fn a_copy_that_is_larger_than_the_cache_is_refused() {
    let shelf = Shelf::new(0);
    assert!(matches!(shelf.copy("a"), Err(PrepareError::Full { .. })));
    assert!(shelf.holds().is_empty(), "{:?}", shelf.holds());
}

#[test]
fn damaged_and_stale_copies_are_made_again() {
    let shelf = Shelf::new(9);
    let path = shelf.copy("a").expect("room for it").path().to_owned();
    let inode = || fs::metadata(&path).expect("ours").ino();
    let before = inode();
    File::options().write(true).open(&path).expect("ours").set_len(5000).expect("ours");
    shelf.copy("a").expect("it is made again");
    let mended = inode();
    assert_ne!(mended, before);
    let mut octets = fs::read(shelf.film("a")).expect("ours");
    octets.truncate(188 * 700);
    fs::write(shelf.film("a"), &octets).expect("ours");
    let fresh = shelf.copy("a").expect("it is made again");
    assert_eq!(fresh.plan().packets(), 100);
    assert_ne!(inode(), mended);
    assert_eq!(shelf.holds(), ["a"]);
    assert!(path.to_str().is_some_and(|path| path.ends_with(ENDING)));
}

#[test]
fn a_copy_that_is_found_to_be_damaged_while_it_is_sent_is_removed() {
    let shelf = Shelf::new(9);
    let copy = shelf.copy("a").expect("room for it");
    File::options().write(true).open(copy.path()).expect("ours").write_all_at(b"!", 9000).expect("ours");
    let batch = copy.plan().batch(0, 40);
    let error = shelf.copy("a").expect("its head is sound").check(copy.place(&batch), &mut Vec::new());
    let error = error.expect_err("it is damaged").to_string();
    assert!(error.ends_with("it was removed: start again, and it is made again"), "{error}");
    assert!(shelf.holds().is_empty(), "{:?}", shelf.holds());
    shelf.copy("a").expect("it is made again").check_all(|_, _| {}).expect("it is sound");
}

#[test]
fn what_a_killed_writer_left_is_written_over_or_removed() {
    let shelf = Shelf::new(1);
    let path = shelf.copy("a").expect("room for it").path().to_owned();
    let name = path.file_name().expect("a name").to_str().expect("letters").to_owned();
    let left = path.with_file_name(format!(".{name}.part"));
    fs::rename(&path, &left).expect("ours");
    shelf.copy("a").expect("the rest is in nobody's way");
    assert!(!left.exists(), "it is left still");
    fs::write(&left, vec![0; 2_000_000]).expect("ours");
    shelf.copy("b").expect("room for it");
    assert!(!left.exists(), "it takes room still");
    assert_eq!(shelf.holds(), ["b"]);
}
