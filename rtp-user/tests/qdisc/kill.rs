//! SIGKILL: what was there comes back all the same.

use crate::{
    has_fq, records, root_of, streaming,
    support::{Net, Running, State, media::sample_path, wait_for},
};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

const PFIFO: [&str; 9] = ["qdisc", "add", "dev", "va", "root", "handle", "1:", "pfifo", "limit"];

#[test]
fn a_killed_stream_puts_back_what_was_there() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    for configured in [false, true] {
        if configured {
            net.a.run("tc", &[&PFIFO[..], &["77"]].concat());
        }
        let before = State::of(&net.a);
        let running = streaming(&net, 5004, &["--qdisc", "fq"]);
        assert!(root_of(&net, "va").starts_with("qdisc fq 6b72: "));
        running.signal(Signal::KILL);
        running.wait();
        before.wait_for(&net.a);
        wait_for("end of the record", || (records(&net) == 0).then_some(()));
    }
}

/// Killed with all its guardians: the next stream finds what was written down,
/// with or without `--qdisc fq`. (A kernel without tcx keeps the filter.)
#[test]
fn the_next_stream_puts_back_what_a_killed_one_left() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &[&PFIFO[..], &["77"]].concat());
    let before = root_of(&net, "va");
    for options in [&["--qdisc", "fq"][..], &[]] {
        kill_with_guardians(streaming(&net, 5004, &["--qdisc", "fq"]));
        assert!(root_of(&net, "va").starts_with("qdisc fq 6b72: "), "left behind");
        assert_eq!(records(&net), 1);
        let doctor = net.krtp.run(&net.a, &["doctor"]);
        assert!(doctor.stdout.contains("the qdisc of va"), "{doctor:?}");
        let path = sample_path();
        let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "none"];
        net.stream(&[&arguments[..], options, &["--engine", "kernel"]].concat()).well();
        assert_eq!(root_of(&net, "va"), before, "{options:?}");
        assert_eq!(records(&net), 0, "{options:?}");
    }
}

fn kill_with_guardians(running: Running) {
    let guardians = guardians_of(running.pid());
    assert_eq!(guardians.len(), 2, "of the segmenter and of the qdisc");
    // Stopped, so that they cannot do their work between the signals.
    for guardian in &guardians {
        kill_process(*guardian, Signal::STOP).expect("of ours");
    }
    running.signal(Signal::KILL);
    running.wait();
    for guardian in guardians {
        kill_process(guardian, Signal::KILL).expect("of ours");
        let stat = format!("/proc/{}/stat", guardian.as_raw_nonzero());
        let is_gone = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        wait_for("end of a guardian", || is_gone().then_some(()));
    }
}

fn guardians_of(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("proc(5)").flatten();
    let guardian = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let of: i32 = rest.split(' ').nth(1)?.parse().ok()?;
        // The kernel keeps 15 octets of a name.
        let ours = name.contains("(krtp-guardian") && of == parent.as_raw_nonzero().get();
        ours.then(|| Pid::from_raw(pid)).flatten()
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(guardian).collect()
}
