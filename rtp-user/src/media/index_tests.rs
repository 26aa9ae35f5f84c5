use super::{Identity, Index, IndexError, Key, cache_dir, file_name};
use crate::media::{
    bound::Bound,
    clock::{Clock, Knot},
    psi::Programme,
    scan::{Counts, Scan},
    unroll::PcrCounts,
};
use bytemuck::Zeroable as _;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const PAYLOAD: u32 = 1316;

fn plenty() -> Bound {
    Bound::new(u64::MAX)
}

/// A file written in 1970.
const FILE: Identity =
    Identity { device: 0x10, inode: 0xab, size: 9 * PAYLOAD as u64 + 188, modified: 3, changed: 4 };
/// Ten packets.
const KEY: Key = Key { identity: FILE, from: 0, to: FILE.size, payload: PAYLOAD, pid: None };
const SUMS: [u16; 10] = [1, 0xffff, 3, 4, 5, 6, 7, 8, 9, 0];

fn scan() -> Scan {
    let mut clock = Clock::new(27_000_000);
    for (octet, ticks) in [(0, 0), (500, 4000), (600, 4000), (FILE.size, 90_000)] {
        clock.push(Knot { octet, ticks });
    }
    let pcr = PcrCounts { pcrs: 3, wraps: 1, longest: 4000, ..PcrCounts::default() };
    let counts = Counts { packets: 64, losses: 2, skipped: 7, pcr, moves: 1, ..Counts::default() };
    Scan { pid: Some(0x100), clock, counts, programmes: vec![Programme::zeroed(); 3] }
}

/// With sums and scan.
fn whole() -> Index {
    Index::new(KEY, Some(SUMS.to_vec()), Some(scan()), true)
}

/// A directory with the index of [`FILE`] in it, and where.
fn stored() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    whole().store(dir.path(), &plenty()).expect("room for it");
    let path = dir.path().join(file_name(&KEY));
    (dir, path)
}

fn load(dir: &Path, key: Key) -> Option<Index> {
    Index::load(dir, key).expect("nothing in the way")
}

#[test]
fn an_index_comes_back_as_it_was_kept() {
    let cases = [
        ("all", whole()),
        ("sums only", Index::new(KEY, Some(SUMS.to_vec()), None, true)),
        ("scan only", Index::new(KEY, None, Some(scan()), true)),
        (
            "no PCR found",
            Index::new(
                Key { pid: Some(7), ..KEY },
                None,
                Some(Scan { pid: None, clock: Clock::new(27_000_000), programmes: vec![], ..scan() }),
                true,
            ),
        ),
    ];
    for (case, index) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        index.store(dir.path(), &plenty()).expect("room for it");
        let key = index.key;
        assert_eq!(load(dir.path(), key), Some(index), "{case}");
        let names: Vec<_> =
            fs::read_dir(dir.path()).expect("ours").map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [file_name(&key).as_str()], "{case}: nothing else stays in the directory");
    }
}

#[test]
fn another_file_or_cut_has_no_index() {
    let (dir, path) = stored();
    let identity = |identity| Key { identity, ..KEY };
    let cases = [
        ("device", identity(Identity { device: 0x11, ..FILE })),
        ("inode", identity(Identity { inode: 0xac, ..FILE })),
        ("size", identity(Identity { size: FILE.size + 188, ..FILE })),
        ("written since", identity(Identity { modified: 5, ..FILE })),
        ("inode changed since", identity(Identity { changed: 5, ..FILE })),
        ("payload", Key { payload: 1128, ..KEY }),
        ("no payload", Key { payload: 0, ..KEY }),
        ("from", Key { from: 44, ..KEY }),
        ("to, same count", Key { to: FILE.size - 1, ..KEY }),
        ("PID", Key { pid: Some(0x100), ..KEY }),
        ("emptied", Key { identity: Identity { size: 0, ..FILE }, to: 0, ..KEY }),
    ];
    for (case, key) in cases {
        assert_eq!(load(dir.path(), key), None, "{case}");
        // Nor is it taken for one if it lies in its place.
        let place = dir.path().join(file_name(&key));
        if !place.exists() {
            fs::copy(&path, place).expect("room for it");
            assert_eq!(load(dir.path(), key), None, "{case}, moved");
        }
    }
}

#[test]
fn damage_anywhere_is_noticed() {
    let (dir, path) = stored();
    let good = fs::read(&path).expect("stored");
    for octet in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[octet] ^= 1 << bit;
            fs::write(&path, bad).expect("room for it");
            assert_eq!(load(dir.path(), KEY), None, "octet {octet}, bit {bit}");
        }
    }
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).expect("room for it");
        assert_eq!(load(dir.path(), KEY), None, "cut to {len}");
    }
    fs::write(&path, [&good[..], b"\0\0"].concat()).expect("room for it");
    assert_eq!(load(dir.path(), KEY), None, "longer");
    whole().store(dir.path(), &plenty()).expect("a damaged one is replaced");
    assert!(load(dir.path(), KEY).is_some());
}

#[test]
fn the_index_of_a_file_just_written_is_used_but_not_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let index = Index::new(KEY, Some(SUMS.to_vec()), None, false);
    assert_eq!(index.sums(), Some(&SUMS[..]));
    assert!(matches!(index.store(dir.path(), &plenty()), Err(IndexError::Unsettled { .. })));
    assert_eq!(load(dir.path(), KEY), None);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let blocked = dir.path().join("file");
    fs::write(&blocked, "").expect("room for it");
    let below = blocked.join("krtp");
    let index = whole();
    let message = index.store(&below, &plenty()).expect_err("below a file").to_string();
    assert_eq!(
        message,
        format!(
            "no index can be kept in {}: Not a directory (os error 20); \
             let XDG_CACHE_HOME name a directory that can be written",
            below.display()
        )
    );
    let message = Index::load(&below, KEY).expect_err("below a file").to_string();
    assert!(message.starts_with(&format!("the index {}", below.display())), "{message}");
    // A directory where the index should be.
    let path = dir.path().join(file_name(&KEY));
    fs::create_dir(&path).expect("room for it");
    let message = index.store(dir.path(), &plenty()).expect_err("in the way").to_string();
    assert!(message.starts_with(&format!("the index {} cannot be written", path.display())), "{message}");
    assert_eq!(load(dir.path(), KEY), None);
    assert_eq!(load(&dir.path().join("never/made"), KEY), None);
}

#[test]
fn missing_directories_are_made_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache/krtp");
    whole().store(&cache, &plenty()).expect("room for it");
    let mode = fs::metadata(&cache).expect("just made").permissions().mode();
    assert_eq!(mode & 0o077, 0, "mode {mode:o}");
    assert!(load(&cache, KEY).is_some());
}

#[test]
fn the_cache_is_where_xdg_says() {
    let cases = [
        ("both", Some("/cache"), Some("/home/u"), Some("/cache/krtp")),
        ("home only", None, Some("/home/u"), Some("/home/u/.cache/krtp")),
        ("empty is unset", Some(""), Some("/home/u"), Some("/home/u/.cache/krtp")),
        ("relative is ignored", Some("cache"), Some("/home/u"), Some("/home/u/.cache/krtp")),
        ("no home", Some("/cache"), None, Some("/cache/krtp")),
        ("home relative", None, Some("home"), None),
        ("neither", None, None, None),
    ];
    for (case, xdg, home, expected) in cases {
        assert_eq!(
            cache_dir(xdg.map(Into::into), home.map(Into::into)),
            expected.map(PathBuf::from),
            "{case}"
        );
    }
}

#[test]
fn a_cache_keeps_its_size_and_what_was_used_last() {
    let dir = tempfile::tempdir().expect("a directory");
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    let of = |inode| Key { identity: Identity { inode, ..FILE }, ..KEY };
    let path = |inode| dir.path().join(file_name(&of(inode)));
    for inode in 1..=3 {
        Index::new(of(inode), Some(SUMS.to_vec()), None, true)
            .store(dir.path(), &plenty())
            .expect("room for it");
        fs::File::open(path(inode)).unwrap().set_modified(long_ago + Duration::from_secs(inode)).unwrap();
    }
    let octets = fs::metadata(path(1)).expect("ours").len();
    assert!(load(dir.path(), of(1)).is_some(), "now it is the one that was used last");
    Index::new(of(4), Some(SUMS.to_vec()), None, true)
        .store(dir.path(), &Bound::new(2 * octets + octets / 4))
        .expect("room for two");
    let left: Vec<u64> = (1..=4).filter(|inode| path(*inode).exists()).collect();
    assert_eq!(left, [1, 4]);
}
