//! Users who may not load programs into the kernel, and those who just may.

use crate::{
    host::Host,
    support::{Namespace, command::BINARY, media::sample},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
};

/// The user and group who may do nothing in particular.
const NOBODY: u32 = 65_534;
/// What to do about missing privilege.
const REMEDY: &str = "run as root or with CAP_BPF and CAP_NET_ADMIN";

impl Host {
    /// From now on `krtp` is run by a user who may do nothing in particular.
    pub fn without_privilege(&mut self) {
        self.with_capabilities("");
    }

    /// From now on `krtp` is run by a user who has `capabilities`, each with a plus.
    pub fn with_capabilities(&mut self, capabilities: &str) {
        // The build's directory, and that of temporary files, may be nobody else's to enter.
        let directory = self.krtp.directory();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("our directory");
        self.binary = directory.join("krtp");
        if !self.binary.exists() {
            fs::copy(BINARY, &self.binary).expect("our directory");
        }
        let cache = directory.join("cache");
        let nobodys = fs::create_dir_all(&cache).and_then(|()| chown(&cache, Some(NOBODY), Some(NOBODY)));
        nobodys.expect("our directory");
        let sample_file = directory.join("sample.ts");
        fs::remove_file(&sample_file).expect("our file");
        fs::write(&sample_file, sample()).expect("our directory");
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()];
        self.runner = [vec!["setpriv".into()], ids.to_vec()].concat();
        if !capabilities.is_empty() {
            self.runner.push(format!("--inh-caps={capabilities}"));
            self.runner.push(format!("--ambient-caps={capabilities}"));
        }
    }
}

const STREAM: &str = "stream sample.ts --to 198.18.0.2:5004 --pace none";

#[test]
fn the_kernel_engine_wants_privilege() {
    let mut host = Host::new();
    let engine = format!("{STREAM} --engine kernel");
    for capabilities in ["", "+bpf", "+net_admin"] {
        host.with_capabilities(capabilities);
        for (line, says) in [
            (&*engine, &["no kernel engine", "--engine user", REMEDY][..]),
            ("attach va", &["not permitted", REMEDY]),
        ] {
            host.refuses(&[(&format!("{line} with {capabilities:?}"), line, says)]);
        }
    }
    let low = format!("{STREAM} --source 198.18.0.1:53");
    host.without_privilege();
    host.refuses(&[
        ("nothing to detach", "detach va", &["va is not attached", "nothing to detach"]),
        ("a low port", &low, &["198.18.0.1:53", "1024", "CAP_NET_BIND_SERVICE"]),
    ]);
}

#[test]
fn auto_falls_back_to_the_user_engine_and_says_why() {
    let mut host = Host::new();
    host.without_privilege();
    let ended = host.run(STREAM).well();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for words in ["krtp: user engine on va: ", "not permitted", REMEDY] {
        assert!(ended.stderr.contains(words), "nothing of {words:?}: {ended:?}");
    }
    assert!(ended.stdout.starts_with("sent 1,139 packets"), "{ended:?}");
}

#[test]
fn prepared_files_go_unaccounted_and_say_why() {
    let mut host = Host::new();
    host.without_privilege();
    host.run("prepare sample.ts -o cache/a.krtp").well();
    let ended = host.run("stream cache/a.krtp --to 198.18.0.2:5004 --pace none").well();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for words in ["krtp: prepared engine on va: ", "unaccounted because", "not permitted", REMEDY] {
        assert!(ended.stderr.contains(words), "nothing of {words:?}: {ended:?}");
    }
    assert!(ended.stdout.starts_with("sent 1,139 packets"), "{ended:?}");
}

#[test]
fn two_capabilities_are_enough() {
    let mut host = Host::new();
    host.with_capabilities("+bpf,+net_admin");
    let ended = host.run(&format!("{STREAM} --engine kernel")).well();
    assert!(ended.stderr.starts_with("krtp: kernel engine on va: "), "{ended:?}");
    assert!(ended.stdout.starts_with("sent 1,139 packets"), "{ended:?}");
}

/// `krtp attach va`, undone however the test ends: pins outlive their namespace.
struct Attached<'a>(&'a Namespace);

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let detached = self.0.command(BINARY).args(["detach", "va"]).output();
        if !detached.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("va of {} stays attached: {detached:?}", self.0.name());
        }
    }
}

#[test]
fn what_root_attached_is_root_s() {
    let mut user = Host::new();
    user.without_privilege();
    let Host { net, krtp, .. } = &user;
    krtp.run(&net.a, &["attach", "va"]).well();
    let _attached = Attached(&net.a);
    let engine = format!("{STREAM} --engine kernel");
    user.refuses(&[
        ("attaching again", "attach va", &["va is attached already", "krtp detach va"]),
        ("detaching", "detach va", &["cannot detach va", "not permitted", "run as root"]),
        ("streaming", &engine, &["no kernel engine", "--engine user", "pinned map", "va@", "run as root"]),
    ]);
}

/// Who may not ask the kernel for a neighbour finds out by knocking.
#[test]
fn a_neighbour_that_is_silent_to_a_user() {
    let mut host = Host::new();
    host.without_privilege();
    let says: &[&str] = &["198.18.0.99 does not answer on va (ARP)", "is it up"];
    host.refuses(&[("silent neighbour", "stream sample.ts --to 198.18.0.99:5004", says)]);
}
