//! Where no process may be started there is no guardian, and nothing stays
//! behind without one.

use crate::support::{Ended, Net, State, command::BINARY, media::sample_path};
use std::{io, os::unix::process::CommandExt};

/// What this process starts from here on gets EAGAIN for each fork, as from
/// `RLIMIT_NPROC` (which root is not bound by), and its threads.
fn forbid_forks() -> io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    // seccomp_data (linux/seccomp.h): the call's number, and where the first argument begins.
    const NUMBER: u32 = 0;
    const FLAGS: u32 = 16 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let fail = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        step(LOAD, 0, 0, NUMBER),
        // Its flags are out of sight; the C library then takes `clone`.
        step(IF_EQUAL, 4, 0, libc::SYS_clone3 as u32),
        step(IF_EQUAL, 0, 4, libc::SYS_clone as u32),
        step(LOAD, 0, 0, FLAGS),
        step(IF_ANY_BIT, 2, 0, libc::CLONE_VM.cast_unsigned()),
        step(RETURN, 0, 0, fail(libc::EAGAIN)),
        step(RETURN, 0, 0, fail(libc::ENOSYS)),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the call reads the program, which is on our stack.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn krtp_without_forks(net: &Net, arguments: &[&str]) -> Ended {
    let mut command = net.a.command(BINARY);
    command.args(arguments).env("XDG_CACHE_HOME", net.krtp.directory().join("cache"));
    // SAFETY: two system calls, of memory that is the closure's own.
    unsafe { command.pre_exec(forbid_forks) };
    net.krtp.spawn(command).wait()
}

#[test]
fn a_stream_without_a_guardian_leaves_nothing() {
    let net = Net::direct();
    let before = State::of(&net.a);
    let path = sample_path();
    let stream = ["stream", path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--pace", "none"];
    let says = "cannot start the guardian that cleans up va";
    let refused = krtp_without_forks(&net, &[&stream[..], &["--engine", "kernel"]].concat());
    assert!(refused.failure().contains(says), "{refused:?}");
    assert_eq!(State::of(&net.a), before);
    let ended = krtp_without_forks(&net, &stream).well();
    assert!(ended.stderr.contains("user engine on va") && ended.stderr.contains(says), "{ended:?}");
    assert_eq!(State::of(&net.a), before);
}
