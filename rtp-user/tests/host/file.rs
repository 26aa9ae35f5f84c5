//! The file and its pages in the cache: read, never written.

use crate::support::{
    Net,
    media::{noise, sample},
};
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};

#[test]
fn the_file_and_the_page_cache_stay_as_they_are() {
    let net = Net::direct();
    let ts = sample();
    let odd = noise(300_001);
    let files = [(net.krtp.file("a.ts", &ts), &ts), (net.krtp.file("odd", &odd), &odd)];
    for (path, octets) in &files {
        let file = File::open(path).expect("ours");
        file.sync_all().expect("a file system that writes");
        let modified = fs::metadata(path).and_then(|meta| meta.modified()).expect("a time");
        for (to, engine) in [
            ("198.18.0.2:5004", "kernel"),
            ("[2001:2::2]:5004", "kernel"),
            ("127.0.0.1:5004", "kernel"),
            ("198.18.0.2:5004", "user"),
        ] {
            let name = format!("{} to {to}, {engine} engine", path.display());
            let arguments =
                [path.to_str().expect("a name"), "--to", to, "--engine", engine, "--pace", "none"];
            let shape: &[&str] = if octets.len() % 188 == 0 {
                &[]
            } else {
                &["--pt", "96", "--clock-rate", "90000", "--payload", "1315"]
            };
            net.stream(&[&arguments[..], shape].concat()).well();
            assert!(fs::read(path).expect("ours") == **octets, "{name}: the page cache");
            // What is not dirty is dropped; had a page been written to, the disk would now say otherwise.
            fadvise(&file, 0, None, Advice::DontNeed).expect("advice");
            assert!(fs::read(path).expect("ours") == **octets, "{name}: the file");
            let now = fs::metadata(path).and_then(|meta| meta.modified()).expect("a time");
            assert_eq!(now, modified, "{name}: its time");
        }
    }
}
