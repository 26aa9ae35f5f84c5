//! What a krtp left that was killed together with its guardian: the next one
//! takes it away.

use crate::support::{Net, State, common_path, media::sample_path, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// The child of `parent` that calls itself a guardian.
pub fn guardian_of(parent: Pid) -> Option<Pid> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let of: i32 = rest.split(' ').nth(1)?.parse().ok()?;
        // The kernel keeps 15 octets of a name.
        let ours = name.contains("(krtp-guardian") && of == parent.as_raw_nonzero().get();
        ours.then(|| Pid::from_raw(pid)).flatten()
    })
}

/// The segmenters of a namespace.
fn segmenters(net: &Net) -> Vec<String> {
    let links = net.a.ip(&["-o", "link", "show", "type", "macvlan"]);
    links.lines().map(ToOwned::to_owned).collect()
}

fn play(net: &Net) {
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let report = net.stream(&[&arguments[..], &["--pace", "none"]].concat()).well().json();
    assert_eq!(report["path"], common_path());
}

#[test]
fn the_next_stream_sweeps_after_a_killed_one() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = sample_path();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], &["--loop"]].concat());
    let guardian = wait_for("guardian", || guardian_of(running.pid()));
    // Stopped, so that it cannot do its work between the two signals.
    kill_process(guardian, Signal::STOP).expect("of ours");
    running.signal(Signal::KILL);
    running.wait();
    kill_process(guardian, Signal::KILL).expect("of ours");
    assert_eq!(segmenters(&net).len(), 1, "the segmenter stayed behind");
    play(&net);
    assert_eq!(State::of(&net.a), before);
}

#[test]
fn only_the_dead_are_swept() {
    let net = Net::direct();
    let namespace = fs::read_link("/proc/self/ns/pid").expect("every process has one");
    let namespace = namespace.display();
    let own = std::process::id();
    let own_start: u32 = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse::<u64>().ok())
        .map(|ticks| ticks as u32)
        .expect("proc(5): field 22 is the start time");
    // Ids end at 2^22 (proc(5): pid_max).
    let dead = format!("krtp segmenter of 4194305 77 {namespace}");
    let reused = format!("krtp segmenter of {own} {} {namespace}", own_start.wrapping_add(1));
    let alive = format!("krtp segmenter of {own} {own_start} {namespace}");
    let elsewhere = "krtp segmenter of 4194305 77 pid:[1]".to_owned();
    let lives_elsewhere = "krtp segmenter of 4194305 78 pid:[1]".to_owned();
    let attached = "krtp segmenter of attach".to_owned();
    let somebody = "krtp segmenter of my own".to_owned();
    let sign = format!("{lives_elsewhere} on {}", net.a.index_of("va"));
    let sign = SocketAddr::from_abstract_name(sign).expect("a short name");
    let sign = net.a.inside(|| UnixDatagram::bind_addr(&sign)).expect("nobody has it");
    let all = [dead, reused, elsewhere, alive, lives_elsewhere, attached, somebody];
    for (number, alias) in all.iter().enumerate() {
        let name = format!("other{number}");
        net.a.ip(&["link", "add", "link", "va", "name", &name, "type", "macvlan", "mode", "private"]);
        net.a.ip(&["link", "set", &name, "alias", alias]);
    }
    play(&net);
    let left = segmenters(&net).join("\n");
    for (number, alias) in all.iter().enumerate() {
        assert_eq!(left.contains(&format!("other{number}@va")), number >= 3, "{alias}: {left}");
    }
    drop(sign);
}

/// Whether the process `pid` has ended, reaped or not.
fn has_ended(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// A container that is killed takes the guardian with it: all of its PID namespace.
#[test]
fn the_next_stream_sweeps_after_a_killed_container() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = sample_path();
    let arguments =
        ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", "kernel"];
    let container =
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "\"$@\"; true", "sh"];
    let running = net.krtp.start_under(&net.a, &container, &[&arguments[..], &["--loop"]].concat());
    wait_for("segmenter", || segmenters(&net).pop());
    play(&net);
    assert_eq!(segmenters(&net).len(), 1, "that of the living");
    let unshare = running.pid().as_raw_nonzero();
    let init = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("it has one");
    running.signal(Signal::KILL);
    running.wait();
    // The first process of a PID namespace ends last.
    wait_for("end of the container", || has_ended(init.trim()).then_some(()));
    assert_eq!(segmenters(&net).len(), 1, "it stayed behind");
    play(&net);
    assert_eq!(State::of(&net.a), before);
}
