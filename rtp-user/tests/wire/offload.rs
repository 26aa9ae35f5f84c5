//! The kernel engine's packets are finished when they leave the program: the
//! peer sees right checksums whatever the interface would have done for them.

use crate::support::{
    Capture, Net, Stream,
    media::{sample, sample_path},
    net::output,
};
use std::process::Command;

const KERNEL: [&str; 4] = ["--pace", "none", "--engine", "kernel"];

#[test]
fn whatever_the_interface_offloads() {
    let file = sample();
    let addresses = [("198.18.0.1:0", "198.18.0.2:5004"), ("[2001:2::1]:0", "[2001:2::2]:5004")];
    let (batches, single) = ("through the segmenter", "va computes no checksums (ethtool -K va tx on)");
    for (features, path) in [
        (&["tx", "on", "tx-udp-segmentation", "on"] as &[&str], batches),
        (&["tx", "on", "tx-udp-segmentation", "off"], batches),
        (&["tx", "on", "sg", "off"], batches),
        (&["tx", "off"], single),
        (&["tx-checksum-ip-generic", "off"], single),
        (&["tx", "off", "sg", "off", "gso", "off"], single),
    ] {
        let net = Net::direct();
        net.a.offload("va", features);
        for (source, destination) in addresses {
            let name = format!("{} to {destination}", features.join(" "));
            let stream = Stream::of_ts(&file, source, destination);
            let capture = Capture::start(&net.b, "vb", &[5004]);
            let report = stream.send(&name, &net, &sample_path(), &KERNEL, &capture);
            let said = report["path"].as_str().unwrap_or_default();
            assert!(said.contains(path), "{name}: {said}");
        }
    }
}

/// The user engine leaves the work to the interface, which here cannot do it.
#[test]
fn the_user_engine_without_any_offload() {
    let net = Net::direct();
    net.a.offload("va", &["tx", "off", "sg", "off", "gso", "off"]);
    let file = sample();
    let stream = Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let options = ["--pace", "none", "--engine", "user"];
    stream.send("user engine", &net, &sample_path(), &options, &capture);
}

/// Nor do prepared files need it to, and the program counts them all the same.
#[test]
fn prepared_packets_without_any_offload() {
    let net = Net::direct();
    net.a.offload("va", &["tx", "off", "sg", "off", "gso", "off"]);
    let copy = net.krtp.directory().join("copy.krtp");
    let (sample_file, name) = (sample_path(), copy.to_str().expect("letters"));
    let words = ["prepare", sample_file.to_str().expect("letters"), "-o", name];
    let numbers = ["--ssrc", "0x0123abcd", "--seq", "65500", "--timestamp", "0xfffff000"];
    net.krtp.run(&net.a, &[&words[..], &numbers].concat()).well();
    let file = sample();
    for (source, destination) in [("198.18.0.1:0", "198.18.0.2:5004"), ("[2001:2::1]:0", "[2001:2::2]:5004")]
    {
        let stream = Stream::of_ts(&file, source, destination);
        let capture = Capture::start(&net.b, "vb", &[5004]);
        stream.send(destination, &net, &copy, &["--pace", "none"], &capture);
    }
}

/// The receiving kernel checks every sum itself, with its own offload off.
#[test]
fn the_receiving_kernel_finds_no_wrong_checksum() {
    let net = Net::direct();
    net.b.offload("vb", &["rx", "off"]);
    let file = sample();
    for (source, destination) in [("198.18.0.1:0", "198.18.0.2:5004"), ("[2001:2::1]:0", "[2001:2::2]:5004")]
    {
        let stream = Stream::of_ts(&file, source, destination);
        let capture = Capture::start(&net.b, "vb", &[5004]);
        stream.send(destination, &net, &sample_path(), &KERNEL, &capture);
    }
    let counters = net.b.run("nstat", &["-asz"]);
    for name in ["UdpInCsumErrors", "Udp6InCsumErrors"] {
        let line = counters.lines().find(|line| line.split_whitespace().next() == Some(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(value, Some("0"), "{name}: {counters}");
    }
}

/// Wireshark's dissectors, which share nothing with krtp or with these tests.
#[test]
fn tshark_agrees() {
    let net = Net::direct();
    let file = sample();
    let streams = [
        Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004"),
        Stream::of_ts(&file, "[2001:2::1]:0", "[2001:2::2]:5004"),
    ];
    let capture = Capture::start(&net.b, "vb", &[5004]);
    for stream in &streams {
        stream.send("before tshark", &net, &sample_path(), &KERNEL, &capture);
    }
    let saved = net.krtp.directory().join("wire.pcap");
    capture.save(&saved);
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&saved).args(["-Y", "udp.dstport==5004", "-d", "udp.port==5004,rtp"]);
    tshark.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields"]);
    for field in [
        "udp.checksum.status",
        "rtp.version",
        "rtp.padding",
        "rtp.ext",
        "rtp.cc",
        "rtp.marker",
        "rtp.p_type",
        "rtp.ssrc",
        "rtp.seq",
        "rtp.timestamp",
    ] {
        tshark.args(["-e", field]);
    }
    let seen = output(tshark.env("XDG_CONFIG_HOME", net.krtp.directory()));
    // "Good" is 1 (epan/proto.h, PROTO_CHECKSUM_E_GOOD).
    let per_stream = file.len().div_ceil(1316);
    assert_eq!(seen.lines().count(), 2 * per_stream, "packets that tshark found");
    for (number, line) in seen.lines().enumerate() {
        let mut words = line.split('\t').map(|word| match word {
            "True" => "1",
            "False" => "0",
            other => other,
        });
        let fixed: Vec<&str> = words.by_ref().take(8).collect();
        assert_eq!(fixed, ["1", "2", "0", "0", "0", "0", "33", "0x0123abcd"], "packet {number}: {line}");
        let sequence = 65_500u16.wrapping_add((number % per_stream) as u16).to_string();
        assert_eq!(words.next(), Some(sequence.as_str()), "packet {number}: {line}");
    }
}
