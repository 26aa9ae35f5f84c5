//! `--max-rate`: what fq is told, by whom, and what is put back.

use crate::{
    has_fq, records, root_of, streaming,
    support::{Net, Running, State, media::sample_path},
};
use rustix::process::Signal;

/// More than the sample's rate.
const MOST: [&str; 4] = ["--qdisc", "fq", "--max-rate", "6000000"];

/// What `tc` says of the maximum rate of the fq on `va`.
fn rate(net: &Net) -> Option<String> {
    let root = root_of(net, "va");
    assert!(root.starts_with("qdisc fq "), "{root}");
    let (_, after) = root.split_once(" maxrate ")?;
    after.split_whitespace().next().map(str::to_owned)
}

fn end(running: Running) {
    running.signal(Signal::INT);
    running.wait().well();
}

#[test]
fn fq_is_told_and_put_back() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    for (previous, handle) in [
        (&[][..], "6b72:"),
        // Changed where it is, though it holds all that waits.
        (&["handle", "3:", "fq", "limit", "50000", "flow_limit", "20000"], "3:"),
        (&["handle", "3:", "fq", "maxrate", "1mbit"], "3:"),
    ] {
        if !previous.is_empty() {
            net.a.run("tc", &[&["qdisc", "add", "dev", "va", "root"], previous].concat());
        }
        let before = State::of(&net.a);
        let running = streaming(&net, 5004, &MOST);
        assert!(root_of(&net, "va").starts_with(&format!("qdisc fq {handle} ")), "{previous:?}");
        assert_eq!(rate(&net).as_deref(), Some("6Mbit"), "{previous:?}");
        let said = running.stderr();
        assert!(said.contains("ms ahead, no flow above 6000000 b/s"), "{said}");
        end(running);
        assert_eq!(State::of(&net.a), before, "{previous:?}");
        assert_eq!(records(&net), 0, "{previous:?}");
        if !previous.is_empty() {
            net.a.run("tc", &["qdisc", "delete", "dev", "va", "root"]);
        }
    }
}

#[test]
fn attach_keeps_it_until_detach() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let before = State::of(&net.a);
    net.krtp.run(&net.a, &[&["attach", "va"], &MOST[..]].concat()).well();
    assert_eq!(rate(&net).as_deref(), Some("6Mbit"));
    end(streaming(&net, 5004, &[]));
    assert_eq!(rate(&net).as_deref(), Some("6Mbit"), "streams come and go");
    net.krtp.run(&net.a, &["detach", "va"]).well();
    assert_eq!(State::of(&net.a), before);
}

/// Of two krtps on one fq the second does the first no harm, and is told.
#[test]
fn the_higher_of_two_holds() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let asks = |rate| ["--qdisc", "fq", "--max-rate", rate];
    for (first, second, both, told) in [
        (&MOST[..], &asks("8000000")[..], Some("8Mbit"), None),
        (&MOST, &["--qdisc", "fq"], Some("6Mbit"), None),
        (&asks("8000000"), &MOST, Some("8Mbit"), Some("let a flow send 8000000 b/s; --max-rate 6000000")),
        (&["--qdisc", "fq"], &MOST, None, Some("more, without end; --max-rate 6000000")),
    ] {
        let one = streaming(&net, 5004, first);
        let two = streaming(&net, 5006, second);
        assert_eq!(rate(&net).as_deref(), both, "{first:?}, {second:?}");
        let said = two.stderr();
        assert_eq!(said.contains("is not kept until that ends"), told.is_some(), "{said}");
        assert!(told.is_none_or(|told| said.contains(told)), "{said}");
        end(one);
        end(two);
        assert_eq!(records(&net), 0);
    }
}

/// What fq sends more slowly than it is played would in the end be dropped.
#[test]
fn a_rate_below_the_streams_is_refused() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let path = sample_path();
    let stream = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "4000000"];
    // 1,316 octets become 1,370.
    let says = "needs 4164134 b/s with its headers, and the fq of va lets a flow have ";
    let before = State::of(&net.a);
    let refused = net.krtp.run(&net.a, &[&stream[..], &["--qdisc", "fq", "--max-rate", "4000000"]].concat());
    let line = refused.failure();
    assert!(line.contains(says) && line.contains("have 4000000: give --qdisc fq --max-rate"), "{line}");
    assert_eq!(State::of(&net.a), before);
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "fq", "maxrate", "2mbit"]);
    let refused = net.krtp.run(&net.a, &[&stream[..], &["--engine", "kernel"]].concat());
    let line = refused.failure();
    assert!(line.contains(says) && line.contains("have 2000000: "), "somebody else's: {line}");
}
