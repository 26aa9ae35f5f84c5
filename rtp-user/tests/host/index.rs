//! The index: read once by whoever comes first, found by all who come later.

use crate::support::{Net, media::sample, wait_for};
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

/// The indexes in the cache.
fn indexes(net: &Net) -> Vec<PathBuf> {
    let entries = fs::read_dir(net.krtp.directory().join("cache/krtp")).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("ours").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "index")).collect()
}

/// What is known beforehand is what playing and preparing ask for: they read that index (which
/// notes it in its time), write none, and do not write it anew.
#[test]
fn what_was_indexed_is_not_read_again() {
    for command in ["probe", "index"] {
        let net = Net::direct();
        let path = net.krtp.file("a.ts", &sample());
        let path = path.to_str().expect("letters");
        let copy = net.krtp.directory().join("a.krtp").to_str().expect("letters").to_owned();
        let indexed = || {
            net.krtp.run(&net.a, &[command, path]).well();
            // Nothing is kept of a file that was written a moment ago.
            indexes(&net).pop()
        };
        let index = wait_for("index", indexed);
        let inode = fs::metadata(&index).expect("there").ino();
        let to = ["stream", path, "--to", "198.18.0.2:5004", "--pace"];
        let cases = [
            [&to[..], &["none", "--engine", "user"]].concat(),
            [&to[..], &["none", "--engine", "kernel"]].concat(),
            [&to[..], &["pcr", "--engine", "user", "--duration", "0.1"]].concat(),
            vec!["prepare", path, "-o", &copy],
            vec!["probe", path],
        ];
        for words in cases {
            let before = UNIX_EPOCH + Duration::from_secs(1);
            File::options().append(true).open(&index).and_then(|it| it.set_modified(before)).expect("ours");
            net.krtp.run(&net.a, &words).well();
            assert_eq!(indexes(&net), std::slice::from_ref(&index), "{command}, then {words:?}");
            let now = fs::metadata(&index).expect("there");
            assert_eq!(now.ino(), inode, "{command}, then {words:?}: written anew");
            assert!(now.modified().expect("a time") > before, "{command}, then {words:?}: not read");
        }
        net.krtp.run(&net.a, &[&to[..], &["none", "--engine", "user", "--pcr-pid", "0x100"]].concat()).well();
        assert_eq!(indexes(&net).len(), 2, "{command}: another wish is another index");
    }
}
