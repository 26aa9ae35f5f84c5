//! What was there before comes back.

use crate::{
    has_fq, records, root_of, streaming,
    support::{
        Capture, Net, State, Stream,
        media::{sample, sample_path},
    },
};
use rustix::process::Signal;

/// Streams on top of each, looks in between, and compares afterwards.
#[test]
fn each_kind_comes_back() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    for (previous, during) in [
        (&[][..], "qdisc fq 6b72: "),
        (&["handle", "1:", "pfifo", "limit", "77"], "qdisc fq 6b72: "),
        (&["handle", "2:", "fq_codel", "limit", "500", "target", "7ms"], "qdisc fq 6b72: "),
        (&["handle", "5:", "noqueue"], "qdisc fq 6b72: "),
        // Changed where it is, and changed back.
        (&["handle", "3:", "fq", "limit", "900", "flow_limit", "50", "horizon", "2s"], "qdisc fq 3: "),
    ] {
        if !previous.is_empty() {
            net.a.run("tc", &[&["qdisc", "add", "dev", "va", "root"], previous].concat());
        }
        let before = State::of(&net.a);
        let running = streaming(&net, 5004, &["--qdisc", "fq"]);
        let now = root_of(&net, "va");
        assert!(now.starts_with(during), "{previous:?}: {now}");
        assert!(now.contains("flow_limit 12500p") && now.contains("horizon 10s"), "{previous:?}: {now}");
        running.signal(Signal::INT);
        running.wait().well();
        assert_eq!(State::of(&net.a), before, "{previous:?}");
        assert_eq!(records(&net), 0, "{previous:?}");
        if !previous.is_empty() {
            net.a.run("tc", &["qdisc", "delete", "dev", "va", "root"]);
        }
    }
}

/// An fq that holds the load is not touched.
#[test]
fn enough_is_enough() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let large = ["root", "handle", "3:", "fq", "limit", "50000", "flow_limit", "20000"];
    net.a.run("tc", &[&["qdisc", "add", "dev", "va"], &large[..]].concat());
    let before = root_of(&net, "va");
    let running = streaming(&net, 5004, &["--qdisc", "fq"]);
    assert_eq!(root_of(&net, "va"), before);
    assert_eq!(records(&net), 0);
    running.signal(Signal::INT);
    running.wait().well();
    assert_eq!(root_of(&net, "va"), before);
}

#[test]
fn a_shaper_is_left_alone() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "handle", "1:", "htb", "default", "1"]);
    // Without htb's own count of packets, which goes on.
    let shaper = || root_of(&net, "va").split(" direct_packets_stat").next().map(str::to_owned);
    let before = shaper();
    let path = sample_path();
    let stream = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--qdisc", "fq"];
    for arguments in [&stream[..], &["attach", "va", "--qdisc", "fq"]] {
        let refused = net.krtp.run(&net.a, arguments);
        let line = refused.failure();
        assert!(line.contains("va has a configured qdisc htb 1:; krtp does not replace it"), "{line}");
        assert_eq!(shaper(), before, "{arguments:?}");
        assert_eq!(records(&net), 0, "{arguments:?}");
    }
}

/// Filters on a qdisc itself would be gone when it comes back.
#[test]
fn a_qdisc_with_filters_is_left_alone() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    for qdisc in [["handle", "2:", "fq_codel"], ["handle", "3:", "sfq"]] {
        // Not every kernel has each of them.
        let mut add = net.a.command("tc");
        add.args(["qdisc", "add", "dev", "va", "root"]).args(qdisc);
        if !add.output().expect("tc runs").status.success() {
            println!("This kernel has no {}.", qdisc[2]);
            continue;
        }
        let (handle, class) = (qdisc[1], format!("{}1", qdisc[1]));
        let filter = ["filter", "add", "dev", "va", "parent", handle, "protocol", "all", "prio", "7"];
        let all = ["bpf", "bytecode", "1,6 0 0 4294967295", "flowid", &class];
        net.a.run("tc", &[&filter[..], &all].concat());
        let filters = || net.a.run("tc", &["filter", "show", "dev", "va", "parent", handle]);
        let before = (root_of(&net, "va"), filters());
        assert!(before.1.contains("bytecode"), "{before:?}");
        let path = sample_path();
        let stream = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--qdisc", "fq"];
        for arguments in [&stream[..], &["attach", "va", "--qdisc", "fq"]] {
            let refused = net.krtp.run(&net.a, arguments);
            let line = refused.failure();
            let says = format!("va has tc filters on its qdisc {} {handle}, which go with it", qdisc[2]);
            assert!(line.contains(&says) && line.contains("tc filter delete dev va"), "{line}");
            assert_eq!((root_of(&net, "va"), filters()), before, "{arguments:?}");
            assert_eq!(records(&net), 0, "{arguments:?}");
        }
        net.a.run("tc", &["qdisc", "delete", "dev", "va", "root"]);
    }
}

/// Everything arrives, through fq as without it.
#[test]
fn a_stream_through_fq_arrives() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let before = State::of(&net.a);
    let file = sample();
    let stream = Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    // Unpaced: a slow machine would be late and shift, and mark the packet.
    let options = ["--qdisc", "fq", "--engine", "kernel", "--pace", "none"];
    stream.send("fq", &net, &sample_path(), &options, &capture);
    assert_eq!(State::of(&net.a), before);
}
