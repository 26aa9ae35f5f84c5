//! Where the program hangs, what it says when it cannot, and that nothing stays.

use crate::{
    streams::watch,
    support::{Held, Net, State},
};
use rustix::process::Signal;

#[test]
fn nothing_stays_behind() {
    for mode in ["native", "generic", "tc"] {
        for signal in [Signal::KILL, Signal::TERM] {
            let case = format!("--mode {mode}, {signal:?}");
            let net = Net::direct();
            let before = State::of(&net.b);
            let watching = watch(&net, "vb", &["--mode", mode]);
            let held = Held::by(watching.pid());
            // By its link, or by its filter on kernels without tcx.
            let attached = held.kinds().contains("link") || State::of(&net.b) != before;
            assert!(attached, "{case}: it hangs there: {held:?}");
            assert!(held.kinds().is_superset(&["map", "prog"].into()), "{case}: {held:?}");
            watching.signal(signal);
            let ended = watching.wait();
            assert_eq!(ended.status.success(), signal == Signal::TERM, "{case}: {ended:?}");
            before.wait_for(&net.b);
            held.wait_until_gone();
        }
    }
}

#[test]
fn where_xdp_is_taken_the_ingress_serves() {
    let net = Net::direct();
    let _first = watch(&net, "vb", &["--mode", "native"]);
    let second = watch(&net, "vb", &[]);
    let said = second.stderr();
    assert!(said.contains("in TC ingress") && said.contains("native XDP: "), "{said}");
    // The first is in the way of any other.
    let ended = net.krtp.run(&net.b, &["watch", "vb", "--mode", "native", "--for", "1"]);
    let line = ended.failure();
    assert!(line.contains("vb does not take the program (native XDP: "), "{line}");
    assert!(line.contains("leave --mode out"), "{line}");
}

#[test]
fn a_loopback_is_watched_on_its_ingress() {
    let net = Net::direct();
    let watching = watch(&net, "lo", &[]);
    assert!(watching.stderr().contains("watching lo in TC ingress"), "{}", watching.stderr());
}

#[test]
fn refusals_name_the_interface_and_the_remedy() {
    let net = Net::direct();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("no such interface", &["watch", "nope0"], &["there is no interface nope0", "see `ip link`"]),
        ("no driver for it", &["watch", "lo", "--mode", "native"], &["lo does not take", "leave --mode out"]),
    ];
    for (case, words, says) in cases {
        let ended = net.krtp.run(&net.b, words);
        let line = ended.failure();
        for word in *says {
            assert!(line.contains(word), "{case}: nothing of {word:?}: {line}");
        }
    }
}
