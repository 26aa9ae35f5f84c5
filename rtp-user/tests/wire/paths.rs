//! Each way that packets can take, twice: the first play takes the payload
//! sums, the second finds them in the index.

use crate::support::{
    Capture, Net, Stream,
    media::{sample, sample_path},
    packet::UdpChecksum,
};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::SystemTime};

/// One way.
struct Way {
    name: &'static str,
    source: &'static str,
    destination: &'static str,
    engine: &'static str,
    checksum: &'static str,
    /// What the report must say of the way.
    path: &'static str,
}

const SEGMENTER: Way = Way {
    name: "segmenter, IPv4",
    source: "198.18.0.1:0",
    destination: "198.18.0.2:5004",
    engine: "kernel",
    checksum: "full",
    path: "batches through the segmenter",
};

const SEGMENTER6: Way =
    Way { name: "segmenter, IPv6", source: "[2001:2::1]:0", destination: "[2001:2::2]:5004", ..SEGMENTER };

/// What the user engine says of its way.
const USER: &str = "asked for";

/// Which file the newest index in the cache is. Its time says nothing: a play that finds it notes its use there.
fn indexed(net: &Net) -> Option<u64> {
    fn newest(directory: &Path) -> Option<(SystemTime, u64)> {
        let entries = fs::read_dir(directory).ok()?.flatten();
        entries
            .filter_map(|entry| match entry.file_type() {
                Ok(kind) if kind.is_dir() => newest(&entry.path()),
                _ => entry.metadata().ok().and_then(|meta| Some((meta.modified().ok()?, meta.ino()))),
            })
            .max()
    }
    newest(&net.krtp.directory().join("cache")).map(|(_, file)| file)
}

/// Plays the sample twice and looks at every packet that comes in at `interface`
/// of the receiver's namespace (`lo`: of the sender's).
#[track_caller]
fn play_twice(net: &Net, interface: &str, way: &Way) {
    let file = sample();
    let mut stream = Stream::of_ts(&file, way.source, way.destination);
    if way.checksum == "zero" {
        stream.checksum = UdpChecksum::None;
    }
    let options = ["--pace", "none", "--engine", way.engine, "--checksum", way.checksum];
    let mut index = None;
    for play in ["first play", "second play"] {
        let name = format!("{}, {play}", way.name);
        let end = if interface == "lo" { &net.a } else { &net.b };
        let capture = Capture::start(end, interface, &[stream.destination.port()]);
        let report = stream.send(&name, net, &sample_path(), &options, &capture);
        assert_eq!(report["engine"], way.engine, "{name}");
        let said = report["path"].as_str().unwrap_or_default();
        assert!(said.contains(way.path), "{name}: {said}");
        let written = indexed(net);
        assert!(written.is_some(), "{name}: an index");
        assert!(index.is_none() || index == written, "{name}: the index was there and was written again");
        index = written;
    }
}

#[test]
fn kernel_engine_through_the_segmenter() {
    let net = Net::direct();
    play_twice(&net, "vb", &SEGMENTER);
}

#[test]
fn kernel_engine_through_the_segmenter_ipv6() {
    play_twice(&Net::direct(), "vb", &SEGMENTER6);
}

#[test]
fn kernel_engine_through_the_segmenter_without_checksums() {
    let way = Way { name: "segmenter, no checksum", checksum: "zero", ..SEGMENTER };
    play_twice(&Net::direct(), "vb", &way);
}

#[test]
fn kernel_engine_behind_a_hop() {
    play_twice(&Net::resolving(), "vb", &Way { name: "segmenter, IPv4, hop", ..SEGMENTER });
}

#[test]
fn kernel_engine_behind_a_hop_ipv6() {
    play_twice(&Net::resolving(), "vb", &Way { name: "segmenter, IPv6, hop", ..SEGMENTER6 });
}

#[test]
fn kernel_engine_on_the_loopback() {
    let net = Net::direct();
    let way = Way {
        name: "loopback, IPv4",
        source: "127.0.0.1:0",
        destination: "127.0.0.1:5004",
        path: "one datagram per sendfile",
        ..SEGMENTER
    };
    play_twice(&net, "lo", &way);
}

#[test]
fn kernel_engine_on_the_loopback_ipv6() {
    let way = Way {
        name: "loopback, IPv6",
        source: "[::1]:0",
        destination: "[::1]:5004",
        path: "one datagram per sendfile",
        ..SEGMENTER
    };
    play_twice(&Net::direct(), "lo", &way);
}

#[test]
fn kernel_engine_on_the_loopback_without_checksums() {
    let way = Way {
        name: "loopback, no checksum",
        source: "127.0.0.1:0",
        destination: "127.0.0.1:5004",
        checksum: "zero",
        path: "one datagram per sendfile",
        ..SEGMENTER
    };
    play_twice(&Net::direct(), "lo", &way);
}

/// A macvlan `mv` on the cable, with addresses of its own.
fn with_macvlan() -> Net {
    let net = Net::direct();
    net.a.ip(&["link", "add", "link", "va", "name", "mv", "type", "macvlan", "mode", "bridge"]);
    for (end, interface, host) in [(&net.a, "mv", 1), (&net.b, "vb", 2)] {
        end.ip(&["address", "add", &format!("198.18.3.{host}/24"), "dev", interface]);
        end.ip(&["address", "add", &format!("2001:2:0:3::{host}/64"), "dev", interface, "nodad"]);
    }
    net.a.ip(&["link", "set", "mv", "up"]);
    net
}

#[test]
fn kernel_engine_on_a_macvlan() {
    let way = Way {
        name: "macvlan, IPv4",
        source: "198.18.3.1:0",
        destination: "198.18.3.2:5004",
        path: "one datagram per sendfile",
        ..SEGMENTER
    };
    play_twice(&with_macvlan(), "vb", &way);
}

#[test]
fn kernel_engine_on_a_macvlan_ipv6() {
    let way = Way {
        name: "macvlan, IPv6",
        source: "[2001:2:0:3::1]:0",
        destination: "[2001:2:0:3::2]:5004",
        path: "one datagram per sendfile",
        ..SEGMENTER
    };
    play_twice(&with_macvlan(), "vb", &way);
}

#[test]
fn user_engine() {
    let way = Way { name: "user engine, IPv4", engine: "user", path: USER, ..SEGMENTER };
    play_twice(&Net::resolving(), "vb", &way);
}

#[test]
fn user_engine_ipv6() {
    let way = Way { name: "user engine, IPv6", engine: "user", path: USER, ..SEGMENTER6 };
    play_twice(&Net::resolving(), "vb", &way);
}

#[test]
fn user_engine_without_checksums() {
    let way =
        Way { name: "user engine, no checksum", engine: "user", checksum: "zero", path: USER, ..SEGMENTER };
    play_twice(&Net::resolving(), "vb", &way);
}
