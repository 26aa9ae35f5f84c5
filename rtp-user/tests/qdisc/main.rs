//! `--qdisc fq`: an fq for as long as somebody needs it, and what was there put
//! back. Needs root. A kernel without fq refuses, which is then what is tested.

#[path = "../support/mod.rs"]
mod support;

mod attach;
mod departure;
mod holders;
mod kill;
mod max_rate;
mod reading;
mod restore;

use support::{Net, Running, State, media::sample_path, wait_for};

/// Whether this kernel has fq. Where it has none, sees that krtp says so and
/// changes nothing.
fn has_fq(net: &Net) -> bool {
    let mut command = net.b.command("tc");
    command.args(["qdisc", "add", "dev", "lo", "root", "fq"]);
    if command.output().expect("tc runs").status.success() {
        net.b.run("tc", &["qdisc", "delete", "dev", "lo", "root"]);
        return true;
    }
    println!("This kernel has no fq: what is tested is that krtp says so.");
    let before = State::of(&net.a);
    let path = sample_path();
    let stream = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--qdisc", "fq"];
    for arguments in [&stream[..], &["attach", "va", "--qdisc", "fq"]] {
        let refused = net.krtp.run(&net.a, arguments);
        let line = refused.failure();
        assert!(line.contains("va: this kernel has no fq qdisc: modprobe sch_fq"), "{arguments:?}: {line}");
        assert_eq!(State::of(&net.a), before, "{arguments:?}");
    }
    assert_eq!(records(net), 0, "nothing is written down");
    false
}

/// How many records there are of the sender's namespace.
fn records(net: &Net) -> usize {
    let cookie = net.a.inside(krtp::net::socket::namespace_cookie).expect("every namespace has one");
    let prefix = format!("krtp-qdisc-{cookie}-");
    let names = std::fs::read_dir("/run").expect("/run").flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with(&prefix)).count()
}

/// The root qdisc of `interface`, as `tc` prints it.
fn root_of(net: &Net, interface: &str) -> String {
    net.a.run("tc", &["qdisc", "show", "dev", interface, "root"])
}

/// A stream without end, once it has its fq and sends.
fn streaming(net: &Net, port: u16, options: &[&str]) -> Running {
    let path = sample_path();
    let to = format!("198.18.0.2:{port}");
    let arguments = [path.to_str().expect("a name"), "--to", &to, "--loop", "--engine", "kernel"];
    let running = net.start_stream(&[&arguments[..], options].concat());
    wait_for("kernel engine", || running.stderr().contains("kernel engine").then_some(()));
    running
}
