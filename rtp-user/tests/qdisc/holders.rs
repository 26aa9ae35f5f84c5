//! Several streams on one interface: its fq goes with the last.

use crate::{
    has_fq, records, root_of, streaming,
    support::{Net, wait_for},
};
use rustix::process::Signal;

/// The second asked for an fq too, or just found it there.
#[test]
fn the_fq_goes_with_the_last_stream() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    let before = root_of(&net, "va");
    for (second, limit) in [(&["--qdisc", "fq"][..], "limit 35000p"), (&[], "limit 22500p")] {
        for first_goes_first in [true, false] {
            let one = streaming(&net, 5004, &["--qdisc", "fq"]);
            assert!(root_of(&net, "va").contains(" limit 22500p flow_limit 12500p"));
            let two = streaming(&net, 5006, second);
            let both = root_of(&net, "va");
            assert!(both.starts_with("qdisc fq 6b72: ") && both.contains(limit), "{second:?}: {both}");
            let (gone, left) = if first_goes_first { (one, two) } else { (two, one) };
            gone.signal(Signal::INT);
            gone.wait().well();
            assert_eq!(root_of(&net, "va"), both, "{second:?}: one is left");
            left.signal(Signal::KILL);
            left.wait();
            wait_for("return of what was there", || (root_of(&net, "va") == before).then_some(()));
        }
    }
}

/// What somebody puts there meanwhile is not ours to take away.
#[test]
fn somebody_elses_later_choice_stays() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "handle", "1:", "pfifo", "limit", "77"]);
    let running = streaming(&net, 5004, &["--qdisc", "fq"]);
    net.a.run("tc", &["qdisc", "replace", "dev", "va", "root", "handle", "9:", "pfifo", "limit", "99"]);
    let chosen = root_of(&net, "va");
    running.signal(Signal::INT);
    running.wait().well();
    assert_eq!(root_of(&net, "va"), chosen);
    assert_eq!(records(&net), 0);
}
