//! What changes under a stream ends it with one line that says what, and with
//! nothing left behind.

use crate::support::{
    Capture, Ended, Net, State, expect::number, media::sample, packet::Datagram, slowness, wait_for,
};
use std::{
    fs::OpenOptions,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

/// Starts an endless stream of a copy of the sample with `options`, calls `change` with the
/// copy when a packet has come, and returns how the stream ended. Of the
/// packets that krtp reports all have come, but for the last `under_way`.
#[track_caller]
fn under_a_stream(net: &Net, options: &[&str], under_way: usize, change: impl FnOnce(&Path)) -> Ended {
    let path = net.krtp.file("copy.ts", &sample());
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--loop"];
    let running = net.start_stream(&[&arguments[..], options].concat());
    wait_for("a packet", || capture.so_far(destination).pop());
    change(&path);
    let ended = running.wait();
    let report = ended.json();
    assert_eq!(report["ended"], "failed", "{options:?}: {report}");
    assert!(report["error"].as_str().is_some_and(|error| ended.failure() == error), "{options:?}: {ended:?}");
    let packets: usize = number(&report, "packets");
    let datagrams = capture.datagrams(destination, packets.saturating_sub(under_way));
    assert!(datagrams.len() <= packets, "{options:?}: {} packets came: {report}", datagrams.len());
    let sequence = |datagram: &Datagram| datagram.rtp().expect("RTP").sequence;
    for (number, pair) in datagrams.windows(2).enumerate() {
        let due = sequence(&pair[0]).wrapping_add(1);
        assert_eq!(sequence(&pair[1]), due, "{options:?}: after packet {number}: {report}");
    }
    ended
}

/// Packets that an interface may have taken, which are lost with it. Between the closing of its queue and the end of
/// its routes it takes more, and says nothing; on a slow machine those are several bursts.
fn under_way() -> usize {
    7 * slowness() as usize
}

/// By the file's clock: some packets at a time, and pauses in which everything can change.
const PACED: [&str; 1] = ["pcr"];
/// And in the middle of large batches, too.
const ANYHOW: [&str; 2] = ["pcr", "none"];

/// The same in a network of its own for each engine and each of `paces`, with what the line must say.
#[track_caller]
fn each_engine(paces: &[&str], under_way: usize, change: impl Fn(&Net, &Path), words: &[&str]) {
    for (engine, pace) in
        ["kernel", "user"].iter().flat_map(|engine| paces.iter().map(move |pace| (engine, pace)))
    {
        let net = Net::resolving();
        let options = ["--engine", engine, "--pace", pace];
        let ended = under_a_stream(&net, &options, under_way, |path| change(&net, path));
        for word in words {
            assert!(ended.failure().contains(word), "{options:?}: {word}? {}", ended.failure());
        }
        let links = net.a.ip(&["-o", "link", "show", "type", "macvlan"]);
        assert!(links.is_empty(), "{options:?}: left behind: {links}");
    }
}

#[test]
fn the_interface_is_deleted() {
    each_engine(
        &PACED,
        under_way(),
        |net, _| {
            net.a.ip(&["link", "delete", "va"]);
        },
        &["copy.ts", "198.18.0.2:5004 cannot be reached any more"],
    );
}

#[test]
fn the_interface_is_set_down() {
    each_engine(
        &PACED,
        under_way(),
        |net, _| {
            net.a.ip(&["link", "set", "va", "down"]);
        },
        &["copy.ts", "198.18.0.2:5004 cannot be reached any more"],
    );
}

/// Nothing has happened to the network, and no batch comes back.
#[test]
fn the_segmenter_is_deleted() {
    for pace in ANYHOW {
        let net = Net::resolving();
        let options = ["--engine", "kernel", "--pace", pace];
        let ended = under_a_stream(&net, &options, 0, |_| {
            net.a.ip(&["link", "delete", "krtp0"]);
        });
        let words = "packets to 198.18.0.2:5004 did not pass the krtp program";
        assert!(ended.failure().contains(words), "{pace}: {words}? {}", ended.failure());
    }
}

#[test]
fn the_mtu_is_lowered() {
    each_engine(
        &ANYHOW,
        0,
        |net, _| {
            net.a.ip(&["link", "set", "va", "mtu", "1000"]);
        },
        // 1000 - 20 - 8 - 12 = 960, which holds five transport packets.
        &["copy.ts", "198.18.0.2:5004", "1000", "1316", "--payload 940"],
    );
}

#[test]
fn the_file_is_cut_short() {
    each_engine(
        &ANYHOW,
        0,
        |_, path| {
            let file = OpenOptions::new().write(true).open(path).expect("ours");
            file.set_len(188 * 100).expect("a file system that cuts");
        },
        &["copy.ts", "changed while it was being sent"],
    );
}

#[test]
fn the_file_is_written_to() {
    each_engine(
        &ANYHOW,
        0,
        |_, path| {
            let mut file = OpenOptions::new().write(true).open(path).expect("ours");
            file.seek(SeekFrom::Start(188 * 3000)).expect("a place in the file");
            file.write_all(&[0x47; 188 * 7]).expect("a file system that writes");
        },
        &["copy.ts", "changed while it was being sent"],
    );
}

/// A file that is replaced (as editors and recorders do it) plays on: the
/// stream holds the one that it opened.
#[test]
fn the_file_is_replaced_and_the_stream_goes_on() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = net.krtp.file("copy.ts", &sample());
    let other = net.krtp.file("other.ts", b"something else");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--pace", "8000000"]].concat());
    wait_for("a packet", || capture.so_far(destination).pop());
    std::fs::rename(other, path).expect("one directory");
    let report = running.wait().well().json();
    assert_eq!(report["packets"], 1139, "{report}");
    let payloads: Vec<u8> = capture
        .datagrams(destination, 1139)
        .iter()
        .flat_map(|datagram| datagram.rtp().expect("RTP").payload)
        .collect();
    assert!(payloads == sample(), "the file that was opened, to its end");
    assert_eq!(State::of(&net.a), before);
}

/// The route moves to another interface, where there is no program and where
/// nothing may leave without its header.
#[test]
fn the_route_moves() {
    let net = Net::direct();
    net.add_second();
    net.b.ip(&["address", "add", "198.18.9.2/32", "dev", "lo"]);
    net.a.ip(&["route", "add", "198.18.9.2/32", "via", "198.18.0.2"]);
    let destination = "198.18.9.2:5004".parse().expect("an address");
    let captures = [Capture::start(&net.b, "vb", &[5004]), Capture::start(&net.b, "vb2", &[])];
    let path = net.krtp.file("copy.ts", &sample());
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.9.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--pace", "8000000"]].concat());
    wait_for("a packet", || captures[0].so_far(destination).pop());
    net.a.ip(&["route", "replace", "198.18.9.2/32", "via", "198.18.2.2"]);
    let report = running.wait().well().json();
    assert_eq!(report["packets"], 1139, "{report}");
    assert_eq!(captures[0].datagrams(destination, 1139).len(), 1139, "the flow stays where its program is");
    assert_eq!(captures[1].so_far(destination), [], "nothing left where there is no program");
}
