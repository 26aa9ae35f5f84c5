//! A made-up run, for tests.

use super::model::Results;
use serde_json::{Value, json};

/// Rows, with nanoseconds for each packet of the usual size and what an octet adds.
const ROWS: &[(&str, &str, bool, &str, f64)] = &[
    ("read_write", "download", false, "2n", 2_900.0),
    ("mmap_send", "download", false, "n", 2_300.0),
    ("sendfile_udp", "download", false, "n", 3_500.0),
    ("sendfile_tcp", "download", false, "n/64", 300.0),
    ("mmap_msend", "download", true, "n", 3_900.0),
    ("kmsend", "download", true, "n/49", 700.0),
    ("ksendfile", "download", true, "n/49", 600.0),
    ("read_send_rtp", "existing", false, "2n", 3_300.0),
    ("read_writev", "existing", false, "2n", 3_440.0),
    ("mmap_send_rtp", "existing", false, "4n", 4_100.0),
    ("mmap_writev", "existing", false, "n", 2_800.0),
    ("rtp_sendfile", "existing", false, "4n", 4_300.0),
    ("mmap_rtpmsend", "enhanced", true, "n", 3_300.0),
    ("mmap_send_msend", "enhanced", true, "2n", 4_000.0),
    ("rtpsendfile", "enhanced", true, "n", 3_800.0),
    ("krtpsendfile", "enhanced", true, "n/49", 850.0),
    ("krtpmsend", "enhanced", true, "n/49", 950.0),
    ("sendmmsg", "today", false, "n/64", 2_100.0),
    ("sendmmsg_mmap", "today", false, "n/64", 1_900.0),
    ("user_gso", "today", false, "n/48", 700.0),
    ("user_gso_zerocopy", "today", false, "n/6", 1_300.0),
    ("io_uring_send_zc", "today", false, "n/32", 2_500.0),
    ("af_xdp", "today", false, "n/64", 600.0),
    ("krtp_user", "today", false, "n/48", 720.0),
];

/// As `bench paths` would write it.
pub fn json() -> Value {
    let rows: Vec<Value> = ROWS.iter().map(row_json).collect();
    let mut series: Vec<Value> = [100, 1_316, 4_000].map(|payload| series("sizes", payload)).into();
    series.extend(["offload", "veth", "cold"].map(|name| series_json(name, 1_316, name)));
    let copies = [16.0, 100.0, 256.0, 1_316.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0];
    let memcpy =
        copies.map(|octets| json!({ "octets": octets, "ns": [3.0 + octets / 11.0, 3.1 + octets / 10.0], "warm_ns": [2.0 + octets / 60.0] }));
    json!({
        "schema": 1,
        "date": "2026-11-23T09:00:00Z",
        "quick": false,
        "machine": {
            "kernel": "6.18.0-made-up", "cpu": "A processor that does not exist", "cores": 2,
            "memory_bytes": 8_000_000_000u64, "krtp": "0.1.0",
            "mitigations": { "spectre_v2": "Mitigation: IBRS", "meltdown": "Not affected" },
        },
        "megabytes": 256,
        "rounds": 3,
        "rows": rows,
        "series": series,
        "curves": { "memcpy": memcpy, "null_call": { "ns": [95.0, 97.0, 110.0] } },
    })
}

/// The same, read.
pub fn results() -> Results {
    serde_json::from_value(json()).expect("a run")
}

fn row_json(&(key, group, added, calls, _): &(&str, &str, bool, &str, f64)) -> Value {
    let counted = crate::paths::formula::per_packet(calls).ok().map(|calls| {
        json!({ "per_packet": calls, "by_call": { "sendto": calls }, "packets": 1_000, "how": "raw_syscalls tracepoint" })
    });
    json!({
        "key": key, "group": group, "added": added, "calls": calls,
        "does": "Reads a payload into a buffer and sends it & its header by <two> calls.",
        "cost": "Each octet is copied twice, and each packet goes down the stack by itself.",
        "differs": added.then_some("The authors' call is not in today's kernel; the nearest means stand for it."),
        "delivers": true, "why_not": null,
        "counted": counted,
        "copies": ["send"],
        "copied": { "how": "perf, cpu-clock", "profiles": [
            { "payload": 100, "samples": 4_000, "at": { "send": 40 } },
            { "payload": 1_316, "samples": 4_000, "at": { "send": if key == "kmsend" { 40 } else { 400 }, "stack": 3 } },
        ] },
    })
}

fn series(name: &str, payload: u32) -> Value {
    series_json(name, payload, "ifb without segmentation offload")
}

fn series_json(name: &str, payload: u32, device: &str) -> Value {
    let fits = |key: &str| payload <= 1_460 || !key.contains("gso");
    let samples = ROWS.iter().filter(|(key, ..)| fits(key)).map(|&(key, _, _, _, nanos)| {
        let nanos = nanos * (0.75 + 0.25 * f64::from(payload) / 1_316.0);
        let rounds = [1.0, 1.1, 1.3].map(|mood| json!({ "user_ns": nanos * 0.2 * mood, "system_ns": nanos * 0.8 * mood, "wall_ns": nanos * mood }));
        (key.to_owned(), rounds.into_iter().collect::<Value>())
    });
    let left = ROWS.iter().filter(|(key, ..)| !fits(key));
    let left =
        left.map(|(key, ..)| ((*key).to_owned(), json!("UDP_SEGMENT takes no packet larger than the MTU")));
    json!({
        "name": name, "device": device, "cache": if name == "cold" { "cold" } else { "warm" },
        "payload": payload, "packets_per_sample": 27_000,
        "samples": samples.collect::<Value>(), "left_out": left.collect::<Value>(),
    })
}
