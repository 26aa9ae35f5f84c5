//! Wireshark's dissectors and its analysis of RTP streams.

use crate::{
    session::need,
    support::{Krtp, Net, media::sample_path, net::output, wait_for},
};
use std::{fs, process::Command};

/// Packets of the sample.
const PACKETS: usize = 1139;

#[test]
fn finds_two_streams_without_a_fault() {
    need("tshark");
    let (net, krtp) = (Net::resolving(), Krtp::new());
    let saved = krtp.directory().join("wire.pcapng");
    let saved = saved.to_str().expect("a path of letters");
    let mut capture = net.b.command("tshark");
    let all = (2 * PACKETS).to_string();
    capture.args(["-q", "-i", "vb", "-f", "udp dst port 5004", "-c", &all, "-w", saved]);
    let mut capture = krtp.spawn(capture);
    wait_for("packet socket", || {
        assert!(!capture.has_ended(), "tshark ended: {}", capture.stderr());
        let sockets = net.b.inside(|| fs::read_to_string("/proc/thread-self/net/packet"));
        // The first line is a heading.
        sockets.is_ok_and(|sockets| sockets.lines().count() > 1).then_some(())
    });
    let file = sample_path();
    let file = file.to_str().expect("a path of letters");
    let to = ["--to", "198.18.0.2:5004", "--to", "[2001:2::2]:5004"];
    let sent = krtp.run(&net.a, &[&["stream", file, "--engine", "kernel", "--json"][..], &to].concat());
    let report = sent.well().json();
    capture.wait().well();

    let read = |arguments: &[&str]| {
        let mut tshark = Command::new("tshark");
        tshark.env("XDG_CONFIG_HOME", krtp.directory()).args(["-r", saved, "-d", "udp.port==5004,rtp"]);
        tshark.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]).args(arguments);
        output(&mut tshark)
    };
    let faults =
        read(&["-Y", "!rtp || rtp.p_type != 33 || udp.checksum.status != 1 || ip.checksum.status == 0"]);
    assert_eq!(faults, "", "packets that are not RTP of payload type 33 with good checksums");

    // Start, end, source, port, destination, port, SSRC, payload, packets, lost, …
    let table = read(&["-q", "-z", "rtp,streams"]);
    let streams: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() > 6 && words[6].starts_with("0x"))
        .collect();
    assert_eq!(streams.len(), 2, "{table}");
    for (flow, destination) in [(0, "198.18.0.2"), (1, "2001:2::2")] {
        let stream = streams.iter().find(|words| words[4] == destination).expect("its stream");
        let ssrc = report["flows"][flow]["ssrc"].as_u64().expect("a number");
        assert_eq!(stream[6], format!("0x{ssrc:08X}"), "{table}");
        let payload =
            stream.iter().position(|word| *word == PACKETS.to_string()).expect("the count of packets");
        assert_eq!(stream[payload + 1..payload + 3], ["0", "(0.0%)"], "lost: {table}");
    }
}
