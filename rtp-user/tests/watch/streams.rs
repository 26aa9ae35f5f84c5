//! The real command watches real streams.

use crate::support::{
    Ended, Net, Running,
    media::{sample, sample_path},
    wait_for,
};
use serde_json::Value;
use std::{net::UdpSocket, time::Duration};

/// Packets of the sample: seven TS packets each.
pub fn sample_packets() -> u64 {
    sample().len().div_ceil(1316) as u64
}

/// Starts `krtp watch INTERFACE ARGUMENTS --json` at the receiver's, and waits until it watches.
#[track_caller]
pub fn watch(net: &Net, interface: &str, arguments: &[&str]) -> Running {
    let mut running = net.krtp.start(&net.b, &[&["watch", interface], arguments, &["--json"]].concat());
    wait_for("watching krtp", || {
        assert!(!running.has_ended(), "it ended: {}", running.stderr());
        // A whole line: standard error has no buffer, and a line comes in parts.
        let said = running.stderr();
        (said.contains("krtp: watching ") && said.ends_with('\n')).then_some(())
    });
    running
}

/// What it saw, once it has ended by itself.
#[track_caller]
pub fn seen(running: Running) -> Value {
    running.wait().well().json()
}

/// Streams the sample to the receiver.
#[track_caller]
pub fn stream(net: &Net, arguments: &[&str]) -> Ended {
    let path = sample_path();
    let file = path.to_str().expect("a path of letters");
    net.stream(&[&[file, "--to", "198.18.0.2:5004"], arguments].concat()).well()
}

/// Sees that the sample came whole, `times` times.
#[track_caller]
pub fn assert_whole(case: &str, report: &Value, times: u64) {
    let total = &report["total"];
    for (field, expected) in [
        ("packets", times * sample_packets()),
        ("octets", times * sample().len() as u64),
        ("lost", 0),
        ("reordered", 0),
        ("duplicates", 0),
    ] {
        assert_eq!(total[field], expected, "{case}: {field}: {report}");
    }
}

#[test]
fn every_packet_of_either_engine_is_seen_in_any_mode() {
    let packets = sample_packets().to_string();
    for (engine, mode, path) in [
        ("kernel", "auto", "native XDP"),
        ("kernel", "native", "native XDP"),
        ("kernel", "tc", "TC ingress"),
        ("user", "auto", "native XDP"),
        // Batches come whole, and are followed packet by packet.
        ("user", "tc", "TC ingress"),
    ] {
        let case = format!("{engine} engine, --mode {mode}");
        let net = Net::direct();
        let watching = watch(&net, "vb", &["--mode", mode, "--packets", &packets]);
        stream(&net, &["--engine", engine, "--pace", "none", "--ssrc", "0x1234abcd", "--seq", "65000"]);
        let report = seen(watching);
        assert_whole(&case, &report, 1);
        let shown = report["path"].as_str().expect("a word");
        assert!(shown.starts_with(path), "{case}: {shown}");
        assert_eq!(report["batches"], 0, "{case}: {report}");
        let stream = &report["streams"][0];
        for (field, expected) in [
            ("ssrc", 0x1234_abcd_u64),
            ("payload_type", 33),
            ("clock_rate", 90_000),
            ("first_sequence", 65_000),
        ] {
            assert_eq!(stream[field], expected, "{case}: {field}: {stream}");
        }
        assert_eq!(stream["destination"], "198.18.0.2:5004", "{case}");
    }
}

/// The media's own pace: its rate is seen, and each packet near its time.
#[test]
fn a_paced_stream_is_timed() {
    let net = Net::direct();
    let watching = watch(&net, "vb", &["--idle", "2"]);
    stream(&net, &["--engine", "kernel"]);
    let report = seen(watching);
    assert_whole("paced", &report, 1);
    let stream = &report["streams"][0];
    let seconds = stream["seconds"].as_f64().expect("a number");
    let ticks = stream["timestamp_ticks"].as_f64().expect("a number");
    let ppm = stream["rate_ppm"].as_f64().expect("a number");
    assert!(((ticks / 90_000.0 / seconds - 1.0) * 1e6 - ppm).abs() < 1.0, "{stream}");
    assert!(ppm.abs() < 50_000.0, "{stream}");
    let shares = &stream["lateness"]["within_ms"];
    let [one, twenty] = ["1", "20"].map(|millis| shares[millis].as_f64().expect("a share"));
    assert!((0.0..=twenty).contains(&one) && twenty <= 1.0 + 1e-9, "{stream}");
    for histogram in ["interarrival", "interarrival_error"] {
        let [p50, p99, max] =
            ["p50_ns", "p99_ns", "max_ns"].map(|part| stream[histogram][part].as_u64().expect("a number"));
        assert!(p50 <= p99 && p99 <= max, "{histogram}: {stream}");
    }
}

#[test]
fn what_loops_back_is_seen() {
    for engine in ["kernel", "user"] {
        let net = Net::direct();
        let packets = sample_packets().to_string();
        let watching = watch(&net, "lo", &["--packets", &packets, "--port", "5004"]);
        let path = sample_path();
        let file = path.to_str().expect("a path of letters");
        // Somebody must listen, or the sender is told.
        let _listener = net.b.inside(|| UdpSocket::bind("127.0.0.1:5004").expect("a free port"));
        let words =
            ["stream", file, "--to", "127.0.0.1:5004", "--pace", "none", "--engine", engine, "--json"];
        net.krtp.run(&net.b, &words).well();
        assert_whole(engine, &seen(watching), 1);
    }
}

/// A sender that is not ours: both count the same.
#[test]
fn ffmpeg_s_packets_are_counted() {
    let net = Net::direct();
    let watching = watch(&net, "vb", &["--idle", "2"]);
    let mut ffmpeg = net.a.command("ffmpeg");
    ffmpeg.args(["-nostdin", "-nostats", "-v", "error", "-i"]).arg(sample_path());
    ffmpeg.args(["-map", "0:v", "-c", "copy", "-f", "rtp_mpegts", "rtp://198.18.0.2:5004?localport=5000"]);
    let output = ffmpeg.output().expect("cargo xtask setup installs ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = seen(watching);
    let sent = udp_packets(&net);
    let total = &report["total"];
    // Beside RTP there is RTCP, and nothing else by UDP.
    let rtp = total["packets"].as_u64().expect("a number");
    assert!(rtp > 500 && rtp <= sent && sent - rtp <= 30, "{sent} datagrams: {report}");
    assert_eq!(
        (&total["lost"], &total["duplicates"], &total["streams"]),
        (&0.into(), &0.into(), &1.into()),
        "{report}"
    );
    assert_eq!(report["streams"][0]["payload_type"], 33);
}

/// Datagrams that the sender's namespace sent (`/proc/net/snmp`: `OutDatagrams`).
fn udp_packets(net: &Net) -> u64 {
    let table =
        net.a.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("part of every kernel"));
    let counts = table.lines().filter(|line| line.starts_with("Udp: ")).nth(1).expect("a line of counts");
    counts.split(' ').nth(4).and_then(|count| count.parse().ok()).expect("the fourth count")
}

/// Whoever stops it gets the report.
#[test]
fn ctrl_c_ends_it_with_a_report() {
    let net = Net::direct();
    let watching = watch(&net, "vb", &[]);
    stream(&net, &["--pace", "none"]);
    watching.signal(rustix::process::Signal::INT);
    assert_whole("after Ctrl-C", &seen(watching), 1);
}

#[test]
fn it_ends_when_its_time_is_over() {
    let net = Net::direct();
    let begun = std::time::Instant::now();
    let report = seen(watch(&net, "vb", &["--for", "0.3"]));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(report["streams"], serde_json::json!([]));
    let ended = net.krtp.run(&net.b, &["watch", "vb", "--for", "0.1"]).well();
    assert_eq!(ended.stdout, "vb: no RTP arrived\n");
}
