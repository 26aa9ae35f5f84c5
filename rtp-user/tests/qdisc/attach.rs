//! `krtp attach --qdisc fq` and `krtp detach`.

use crate::{
    has_fq, records, root_of, streaming,
    support::{Net, State},
};
use rustix::process::Signal;

#[test]
fn the_fq_stays_until_detach() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "handle", "1:", "pfifo", "limit", "77"]);
    let before = State::of(&net.a);
    net.krtp.run(&net.a, &["attach", "va", "--flows", "4", "--qdisc", "fq"]).well();
    let attached = root_of(&net, "va");
    assert!(attached.starts_with("qdisc fq 6b72: ") && attached.contains(" limit 60000p"), "{attached}");
    for signal in [Signal::INT, Signal::KILL] {
        let running = streaming(&net, 5004, &[]);
        running.signal(signal);
        running.wait();
        assert_eq!(root_of(&net, "va"), attached, "streams come and go");
        assert_eq!(records(&net), 1);
    }
    net.krtp.run(&net.a, &["detach", "va"]).well();
    assert_eq!(State::of(&net.a), before);
    assert_eq!(records(&net), 0);
}

/// Each queue of several has an fq of its own, and gets back what it had.
#[test]
fn every_hardware_queue_gets_one() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let queues = ["numtxqueues", "4", "numrxqueues", "4"];
    let veth = ["type", "veth", "peer", "name", "vmb", "netns", net.b.name()];
    net.a.ip(&[&["link", "add", "vm"], &queues[..], &veth, &queues].concat());
    net.a.ip(&["link", "set", "vm", "up"]);
    net.b.ip(&["link", "set", "vmb", "up"]);
    net.a.wait_until_up("vm");
    for configured in [false, true] {
        net.a.run("tc", &["qdisc", "replace", "dev", "vm", "root", "handle", "7:", "mq"]);
        if configured {
            let pfifo = ["parent", "7:2", "handle", "72:", "pfifo", "limit", "9"];
            net.a.run("tc", &[&["qdisc", "replace", "dev", "vm"], &pfifo[..]].concat());
        }
        let before = State::of(&net.a);
        net.krtp.run(&net.a, &["attach", "vm", "--qdisc", "fq"]).well();
        let all = net.a.run("tc", &["qdisc", "show", "dev", "vm"]);
        assert!(all.contains("qdisc mq 6b72: root"), "{all}");
        for queue in 1..=4 {
            let one = all.lines().find(|line| line.contains(&format!("parent 6b72:{queue} ")));
            assert!(one.is_some_and(|line| line.starts_with("qdisc fq ")), "queue {queue}: {all}");
        }
        net.krtp.run(&net.a, &["detach", "vm"]).well();
        assert_eq!(State::of(&net.a), before, "configured: {configured}");
    }
}

/// The record of an interface that is gone goes with `detach`, or with the next
/// `attach` to another one of its name.
#[test]
fn an_attached_interface_goes_away() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    for again in [false, true] {
        net.krtp.run(&net.a, &["attach", "va", "--qdisc", "fq"]).well();
        net.a.ip(&["link", "delete", "va"]);
        if again {
            net.a.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", net.b.name()]);
            net.a.ip(&["link", "set", "va", "up"]);
            net.b.ip(&["link", "set", "vb", "up"]);
            net.a.wait_until_up("va");
            net.krtp.run(&net.a, &["attach", "va"]).well();
            assert_eq!(records(&net), 0);
        }
        net.krtp.run(&net.a, &["detach", "va"]).well();
        assert_eq!(records(&net), 0);
        if !again {
            net.a.ip(&["link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", net.b.name()]);
            net.a.ip(&["link", "set", "va", "up"]);
            net.b.ip(&["link", "set", "vb", "up"]);
            net.a.wait_until_up("va");
        }
    }
}
