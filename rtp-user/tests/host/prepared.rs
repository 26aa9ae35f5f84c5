//! Prepared files: the program counts what they send, and nothing stays of them.

use crate::support::{Capture, Held, Net, Running, State, expect::number, hook, media::noise, wait_for};
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// First sequence number of [`prepare`]'s copies: it wraps within the test.
const SEQUENCE: u64 = 65_500;

/// A copy that plays for 16 seconds at a rate that makes batches; where it is.
fn prepare(net: &Net) -> String {
    let file = net.krtp.file("film", &noise(16_000_000));
    let copy = net.krtp.directory().join("film.krtp").to_str().expect("letters").to_owned();
    let shape = ["--pt", "96", "--clock-rate", "90000", "--payload", "1000", "--pace", "8000000"];
    let numbers = ["--seq", &SEQUENCE.to_string(), "--ssrc", "0x0123abcd", "-o", &copy];
    let file = ["prepare", file.to_str().expect("letters")];
    net.krtp.run(&net.a, &[&file[..], &shape, &numbers].concat()).well();
    copy
}

/// What `krtp flows --json` says of the flows of `pid`.
fn flows_of(net: &Net, pid: Pid) -> Vec<Value> {
    let Value::Array(all) = net.krtp.run(&net.a, &["flows", "--json"]).well().json() else {
        panic!("an array");
    };
    all.into_iter().filter(|flow| flow["pid"] == pid.as_raw_nonzero().get()).collect()
}

/// A stream of `copy` to both families.
fn start(net: &Net, copy: &str) -> Running {
    net.start_stream(&[copy, "--to", "198.18.0.2:5004", "--to", "[2001:2::2]:5006"])
}

#[test]
fn what_a_prepared_file_sends_is_counted() {
    let net = Net::resolving();
    let copy = prepare(&net);
    let before = State::of(&net.a);
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    let running = start(&net, &copy);
    let shown = |flow: &Value| number::<u64>(flow, "next_sequence") != SEQUENCE;
    wait_for("sequence numbers", || {
        let flows = flows_of(&net, running.pid());
        (flows.len() == 2 && flows.iter().all(shown)).then_some(())
    });
    // Where it stands still, everything that it counted has left.
    running.signal(Signal::STOP);
    let flows = wait_for("standstill", || {
        let (one, two) = (flows_of(&net, running.pid()), flows_of(&net, running.pid()));
        let packets = |flows: &[Value]| flows.iter().map(|flow| flow["packets"].clone()).collect::<Vec<_>>();
        (packets(&one) == packets(&two)).then_some(two)
    });
    assert_eq!(flows.len(), 2, "{flows:?}");
    for flow in &flows {
        let packets: u64 = number(flow, "packets");
        let destination = flow["destination"].as_str().expect("an address").parse().expect("an address");
        let came = capture.datagrams(destination, packets as usize);
        assert_eq!(came.len() as u64, packets, "{flow}");
        let octets: usize = came.iter().map(|datagram| datagram.octets.len() - 12).sum();
        assert_eq!(number::<u64>(flow, "octets"), octets as u64, "{flow}");
        let batches: u64 = number(flow, "batches");
        assert!(batches > 0 && batches * 2 < packets, "packets pass in batches: {flow}");
        // Told ten times a second.
        let told = (number::<u64>(flow, "next_sequence") + 65_536 - SEQUENCE) % 65_536;
        assert!(told > 0 && told <= packets, "{flow}");
        assert!(flow["last_timestamp"].is_number(), "{flow}");
        for (field, expected) in [
            ("prepared", Value::from(true)),
            ("interface", "va".into()),
            ("segmenter", Value::Null),
            ("ssrc", 0x0123_abcd.into()),
            ("payload_type", 96.into()),
            ("payload", 1000.into()),
            ("first_sequence", SEQUENCE.into()),
            ("dropped", 0.into()),
        ] {
            assert_eq!(flow[field], expected, "{field}: {flow}");
        }
    }
    running.signal(Signal::CONT);
    running.signal(Signal::INT);
    let pid = running.pid();
    let report = running.wait().well().json();
    let path = report["path"].as_str().expect("words");
    assert!(path.starts_with(&format!("{}, batches cut by va", hook())), "{path}");
    assert_eq!(flows_of(&net, pid), Vec::<Value>::new());
    assert_eq!(State::of(&net.a), before, "what is left");
}

#[test]
fn a_killed_one_leaves_nothing() {
    let net = Net::direct();
    let copy = prepare(&net);
    let before = State::of(&net.a);
    let running = start(&net, &copy);
    let pid = running.pid();
    wait_for("packets", || {
        let flows = flows_of(&net, pid);
        flows.first().is_some_and(|flow| number::<u64>(flow, "packets") > 50).then_some(())
    });
    let held = Held::by(pid);
    assert!(held.kinds().is_superset(&["map", "prog"].into()), "{held:?}");
    running.signal(Signal::KILL);
    running.wait();
    before.wait_for(&net.a);
    held.wait_until_gone();
    assert_eq!(flows_of(&net, pid), Vec::<Value>::new());
}

/// Its packets need no program: it goes on where `krtp detach` takes it away.
#[test]
fn it_outlasts_what_was_attached() {
    let net = Net::resolving();
    let copy = prepare(&net);
    net.krtp.run(&net.a, &["attach", "va"]).well();
    let running = start(&net, &copy);
    let pid = running.pid();
    let counted = || flows_of(&net, pid).first().is_some_and(|flow| number::<u64>(flow, "packets") > 50);
    // Detached whatever comes: pins outlive their namespace.
    let seen = std::panic::catch_unwind(|| wait_for("packets", || counted().then_some(())));
    net.krtp.run(&net.a, &["detach", "va"]).well();
    seen.expect("the attached program counts");
    assert_eq!(flows_of(&net, pid), Vec::<Value>::new());
    let capture = Capture::start(&net.b, "vb", &[5004, 5006]);
    wait_for("packets after it", || (capture.len() > 100).then_some(()));
    assert_eq!(running.stderr().matches("goes on unaccounted").count(), 2, "{}", running.stderr());
    running.signal(Signal::INT);
    let report = running.wait().well().json();
    assert_eq!(report["ended"], "stopped", "{report}");
    let path = report["path"].as_str().expect("words");
    assert!(path.ends_with(", attached before"), "{path}");
}
