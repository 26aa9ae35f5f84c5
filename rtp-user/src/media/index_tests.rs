use super::{Identity, Index, IndexBuilder, IndexError, cache_dir, file_name};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const PAYLOAD: u32 = 1316;

/// A file of ten packets, written in 1970.
const FILE: Identity =
    Identity { device: 0x10, inode: 0xab, size: 9 * PAYLOAD as u64 + 188, modified: 3, changed: 4 };

fn built(identity: Identity, now: SystemTime) -> Index {
    let mut builder = IndexBuilder::begun(identity, PAYLOAD, 10, now);
    builder.push(&[1, 0xffff, 3, 4]);
    builder.push(&[]);
    builder.push(&[5, 6, 7, 8, 9, 0]);
    builder.finish().expect("ten sums")
}

/// A directory with the index of [`FILE`] in it, and where.
fn stored() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    built(FILE, SystemTime::now()).store(dir.path()).expect("room for it");
    let path = dir.path().join(file_name(&FILE, PAYLOAD));
    (dir, path)
}

fn load(dir: &Path, identity: Identity, payload: u32) -> Option<Index> {
    Index::load(dir, identity, payload).expect("nothing in the way")
}

#[test]
fn an_index_comes_back_as_it_was_kept() {
    let (dir, _) = stored();
    let index = load(dir.path(), FILE, PAYLOAD).expect("just stored");
    assert_eq!(index.sums(), [1, 0xffff, 3, 4, 5, 6, 7, 8, 9, 0]);
    assert_eq!(index, built(FILE, SystemTime::now()));
    let names: Vec<_> =
        fs::read_dir(dir.path()).expect("ours").map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [file_name(&FILE, PAYLOAD).as_str()], "nothing else stays in the directory");
}

#[test]
fn another_file_or_cut_has_no_index() {
    let (dir, _) = stored();
    let cases = [
        ("device", Identity { device: 0x11, ..FILE }, PAYLOAD),
        ("inode", Identity { inode: 0xac, ..FILE }, PAYLOAD),
        ("size, other count", Identity { size: FILE.size + 5000, ..FILE }, PAYLOAD),
        ("size, same count", Identity { size: FILE.size + 188, ..FILE }, PAYLOAD),
        ("written since", Identity { modified: 5, ..FILE }, PAYLOAD),
        ("inode changed since", Identity { changed: 5, ..FILE }, PAYLOAD),
        ("payload", FILE, 1128),
        ("no payload", FILE, 0),
        ("emptied", Identity { size: 0, ..FILE }, PAYLOAD),
    ];
    for (case, identity, payload) in cases {
        assert_eq!(load(dir.path(), identity, payload), None, "{case}");
        // Nor is it taken for one if it lies in its place.
        let place = dir.path().join(file_name(&identity, payload));
        if !place.exists() {
            fs::copy(dir.path().join(file_name(&FILE, PAYLOAD)), place).expect("room for it");
            assert_eq!(load(dir.path(), identity, payload), None, "{case}, moved");
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
            assert_eq!(load(dir.path(), FILE, PAYLOAD), None, "octet {octet}, bit {bit}");
        }
    }
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).expect("room for it");
        assert_eq!(load(dir.path(), FILE, PAYLOAD), None, "cut to {len}");
    }
    fs::write(&path, [&good[..], b"\0\0"].concat()).expect("room for it");
    assert_eq!(load(dir.path(), FILE, PAYLOAD), None, "longer");
    built(FILE, SystemTime::now()).store(dir.path()).expect("a damaged one is replaced");
    assert!(load(dir.path(), FILE, PAYLOAD).is_some());
}

#[test]
fn an_index_lacking_sums_is_none() {
    let mut builder = IndexBuilder::new(FILE, PAYLOAD, 3);
    builder.push(&[1, 2]);
    assert_eq!(builder.len(), 2);
    assert_eq!(builder.clone().finish(), None);
    builder.push(&[3]);
    assert!(builder.clone().finish().is_some());
    builder.push(&[4]);
    assert_eq!(builder.finish(), None, "one too many");
}

#[test]
fn the_index_of_a_file_just_written_is_used_but_not_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let written = SystemTime::UNIX_EPOCH + Duration::from_nanos(4);
    let index = built(FILE, written);
    assert_eq!(index.sums().len(), 10);
    assert!(matches!(index.store(dir.path()), Err(IndexError::Unsettled { .. })));
    assert_eq!(load(dir.path(), FILE, PAYLOAD), None);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let blocked = dir.path().join("file");
    fs::write(&blocked, "").expect("room for it");
    let below = blocked.join("krtp");
    let index = built(FILE, SystemTime::now());
    let message = index.store(&below).expect_err("below a file").to_string();
    assert_eq!(
        message,
        format!(
            "no index can be kept in {}: Not a directory (os error 20); \
             let XDG_CACHE_HOME name a directory that can be written",
            below.display()
        )
    );
    let message = Index::load(&below, FILE, PAYLOAD).expect_err("below a file").to_string();
    assert!(message.starts_with(&format!("the index {}", below.display())), "{message}");
    // A directory where the index should be.
    let path = dir.path().join(file_name(&FILE, PAYLOAD));
    fs::create_dir(&path).expect("room for it");
    let message = index.store(dir.path()).expect_err("in the way").to_string();
    assert!(message.starts_with(&format!("the index {} cannot be written", path.display())), "{message}");
    assert_eq!(load(dir.path(), FILE, PAYLOAD), None);
    assert_eq!(load(&dir.path().join("never/made"), FILE, PAYLOAD), None);
}

#[test]
fn missing_directories_are_made_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache/krtp");
    built(FILE, SystemTime::now()).store(&cache).expect("room for it");
    let mode = fs::metadata(&cache).expect("just made").permissions().mode();
    assert_eq!(mode & 0o077, 0, "mode {mode:o}");
    assert!(load(&cache, FILE, PAYLOAD).is_some());
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
