//! Little-endian audio: the copy that is sent is made when it is needed, and can be given up.

use crate::support::{Net, wait_for};
use rustix::process::Signal;
use std::fs;

/// A WAV file of `octets` of silence, which take no room; where it is.
fn silence(net: &Net, octets: u32) -> String {
    let mut header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    for number in [48_000u32, 192_000, 0x0010_0004] {
        header.extend(number.to_le_bytes());
    }
    header.extend(b"data");
    header.extend(octets.to_le_bytes());
    header[4..8].copy_from_slice(&(octets + 36).to_le_bytes());
    let path = net.krtp.file("a.wav", &header);
    let file = fs::File::options().write(true).open(&path).expect("ours");
    file.set_len(header.len() as u64 + u64::from(octets)).expect("a file system with holes");
    path.to_str().expect("letters").to_owned()
}

/// Nothing of what they print needs it. Under the limit it could not be made.
#[test]
fn probe_and_index_make_no_copy() {
    let net = Net::direct();
    let path = silence(&net, 192_000_000);
    let limit = ["prlimit", "--fsize=100000000"];
    let probe = net.krtp.start_under(&net.a, &limit, &["probe", &path]).wait().well();
    assert!(probe.stdout.contains("0:16:40.000"), "{probe:?}");
    let index = net.krtp.start_under(&net.a, &limit, &["index", "--json", &path]).wait().well();
    assert_eq!((&index.json()["known"], &index.json()["indexed"]), (&1.into(), &0.into()));
    let stream = ["stream", &path, "--to", "198.18.0.2:5004", "--pace", "none"];
    let stream = net.krtp.start_under(&net.a, &limit, &stream).wait();
    assert!(!stream.status.success(), "the limit is none: {stream:?}");
}

/// At once, not when all of it was made: the limit lets nobody make all.
#[test]
fn the_making_of_a_copy_can_be_stopped() {
    for signal in [Signal::INT, Signal::TERM] {
        let net = Net::direct();
        let path = silence(&net, 4_200_000_000);
        let words = ["stream", &path, "--to", "198.18.0.2:5004", "--engine", "user", "--json"];
        let stream = net.krtp.start_under(&net.a, &["prlimit", "--fsize=4000000000"], &words);
        let copying = || {
            let fds = fs::read_dir(format!("/proc/{}/fd", stream.pid().as_raw_nonzero())).ok()?;
            let mut copies = fds.flatten().filter_map(|fd| {
                let name = fs::read_link(fd.path()).ok()?;
                let copy = name.to_str()?.contains("/cache/krtp/") && name.to_str()?.ends_with("(deleted)");
                copy.then(|| fs::metadata(fd.path()).map_or(0, |status| status.len()))
            });
            copies.any(|octets| octets > 0).then_some(())
        };
        wait_for("copy in the making", copying);
        stream.signal(signal);
        let report = stream.wait().well().json();
        assert_eq!((&report["ended"], &report["packets"]), (&"stopped".into(), &0.into()), "{report}");
    }
}
