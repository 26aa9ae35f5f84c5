//! The flows of a running stream, as `krtp flows` and bpftool show them.

use crate::support::{Capture, Held, Net, Running, expect::number, media::sample_path, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::process::Command;

/// What `krtp flows --json` says of the flows of `running`: tests run side by
/// side, and it shows every flow of the host.
fn flows_of(net: &Net, running: &Running) -> Vec<Value> {
    let Value::Array(all) = net.krtp.run(&net.a, &["flows", "--json"]).well().json() else {
        panic!("an array");
    };
    let pid = running.pid().as_raw_nonzero().get();
    all.into_iter().filter(|flow| flow["pid"] == pid).collect()
}

/// A stream without end to two destinations.
fn start(net: &Net) -> Running {
    let path = sample_path();
    let mut arguments = vec![path.to_str().expect("a name"), "--loop", "--engine", "kernel"];
    arguments.extend(["--to", "198.18.0.2:5004", "--to", "[2001:2::2]:5006"]);
    arguments.extend(["--ssrc", "0x0123abcd", "--seq", "65500"]);
    net.start_stream(&arguments)
}

#[test]
fn a_running_stream_is_shown() {
    let net = Net::direct();
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    let running = start(&net);
    wait_for("packets", || (capture.len() > 40).then_some(()));
    let flows = flows_of(&net, &running);
    assert_eq!(flows.len(), 2, "{flows:?}");
    let by = |flows: &[Value], destination: &str| {
        let found = flows.iter().find(|flow| flow["destination"] == destination).cloned();
        found.unwrap_or_else(|| panic!("{destination}: {flows:?}"))
    };
    let first = by(&flows, "198.18.0.2:5004");
    for (field, expected) in [
        ("interface", Value::from("va")),
        ("ssrc", 0x0123_abcd.into()),
        ("payload_type", 33.into()),
        ("clock_rate", 90_000.into()),
        ("payload", 1316.into()),
        ("checksum", "full".into()),
        ("first_sequence", 65_500.into()),
        ("dropped", 0.into()),
    ] {
        assert_eq!(first[field], expected, "{field}: {first}");
    }
    let packets: u64 = number(&first, "packets");
    assert!(packets > 0, "{first}");
    assert_eq!(number::<u64>(&first, "next_sequence"), (65_500 + packets) % 65_536, "{first}");
    by(&flows, "[2001:2::2]:5006");
    let later = by(&flows_of(&net, &running), "198.18.0.2:5004");
    assert!(number::<u64>(&later, "packets") > packets, "it goes on: {first} then {later}");

    let held = Held::by(running.pid());
    // A ring buffer, or the sockets' own storage, has nothing to dump.
    let dump = |id: u64| {
        let output = Command::new("bpftool").args(["map", "dump", "id", &id.to_string()]).output();
        String::from_utf8(output.expect("bpftool runs").stdout).expect("text")
    };
    let state = held.maps().map(dump).find(|dump| dump.contains("\"ssrc\": 19114957"));
    let state = state.expect("a map that bpftool prints by the fields' names");
    for field in ["next_sequence", "timestamp", "step", "packets", "octets", "last_departure", "drops"] {
        assert!(state.contains(&format!("\"{field}\":")), "{field}: {state}");
    }

    running.signal(Signal::INT);
    let pid = running.pid();
    running.wait().well();
    let after = net.krtp.run(&net.a, &["flows", "--json"]).well();
    let gone = format!("\"pid\":{},", pid.as_raw_nonzero());
    assert!(!after.stdout.contains(&gone), "{after:?}");
}
