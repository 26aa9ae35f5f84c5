//! Network namespaces that go away with the test, also when it panics, and the
//! cables between them.

use super::{Ended, Krtp, Running, wait_for};
use futures_util::TryStreamExt;
use krtp::net::netlink::Netlink;
use rtnetlink::packet_route::link::{LinkAttribute, State};
use rustix::{
    mount::{UnmountFlags, mount_bind, unmount},
    process::getuid,
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Seek, Write},
    net::IpAddr,
    os::{fd::AsFd, unix::process::CommandExt},
    panic::resume_unwind,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// The sender's IPv4 address (`198.18.0.0/15` is for tests: RFC 2544).
pub const SENDER: &str = "198.18.0.1";
/// The receiver's.
pub const RECEIVER: &str = "198.18.0.2";
/// The sender's IPv6 address (`2001:2::/48` is for tests: RFC 5180).
pub const SENDER6: &str = "2001:2::1";
/// The receiver's.
pub const RECEIVER6: &str = "2001:2::2";
/// The sender's end of the cable.
pub const VA: &str = "va";
/// The receiver's end of the cable.
pub const VB: &str = "vb";

/// Where namespaces have names, for `ip` too.
const NAMED: &str = "/run/netns";

/// One network namespace, deleted on drop.
#[derive(Debug)]
pub struct Namespace(String);

/// Two namespaces, `a` the sender's and `b` the receiver's, and a cable between
/// them that carries IPv4 and IPv6.
#[derive(Debug)]
pub struct Net {
    /// The sender's namespace, with [`VA`].
    pub a: Namespace,
    /// The receiver's, with [`VB`].
    pub b: Namespace,
    /// What stands between, where something does.
    pub hop: Option<Namespace>,
    /// The command, with a cache and files of the test's own.
    pub krtp: Krtp,
}

impl Namespace {
    /// Makes one, as `ip netns add` does.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(getuid().is_root(), "this test makes network namespaces and loads BPF: run it as root");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("krtp-test-{}-{number}", std::process::id()));
        let path = namespace.path();
        fs::create_dir_all(NAMED).and_then(|()| File::create(&path)).expect("root may write there");
        let make = || {
            // SAFETY: of this thread nothing but the network is its own from here on.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("root may unshare");
            mount_bind("/proc/thread-self/ns/net", &path).expect("root may mount");
        };
        thread::scope(|scope| scope.spawn(make).join()).unwrap_or_else(|panic| resume_unwind(panic));
        // No answers to what nobody asked, and no waiting for duplicates.
        namespace.sysctl("ipv6/conf/default/accept_dad", "0");
        namespace.sysctl("ipv6/conf/default/router_solicitations", "0");
        namespace
    }

    /// Its name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// `program`, to be run inside. Unlike `ip netns exec` this leaves it the
    /// caller's mounts, and with them the BPF file system; unlike `nsenter` it
    /// starts no program of its own, which a slow machine takes a quarter of a
    /// second for.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let namespace = File::open(self.path()).expect("our namespace");
        let enter =
            move || Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?);
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        // SAFETY: one system call with a descriptor that the closure owns.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs `ip ARGUMENTS` inside; what it prints.
    #[track_caller]
    pub fn ip(&self, arguments: &[&str]) -> String {
        output(self.command("ip").args(arguments))
    }

    /// Runs `ip` inside for all of these, each in turn.
    #[track_caller]
    pub fn ip_all(&self, lines: &[&str]) {
        let mut all = tempfile::tempfile().expect("a temporary file");
        all.write_all(lines.join("\n").as_bytes()).and_then(|()| all.rewind()).expect("it is written");
        output(self.command("ip").args(["-batch", "-"]).stdin(all));
    }

    /// Runs `program` inside, which must succeed; what it prints.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        output(self.command(program).args(arguments))
    }

    /// Switches offloads of `interface` (`ethtool -K`): pairs of name and `on` or `off`.
    #[track_caller]
    pub fn offload(&self, interface: &str, features: &[&str]) {
        let mut arguments = vec!["-K", interface];
        arguments.extend(features);
        self.run("ethtool", &arguments);
    }

    /// Calls `inside` in a thread of this namespace. Sockets opened there stay there.
    pub fn inside<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let namespace = File::open(self.path()).expect("our namespace");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter it");
            inside()
        };
        thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The index of `interface`.
    #[track_caller]
    pub fn index_of(&self, interface: &str) -> u32 {
        // Not from /sys, whose mount shows the namespace that it was made in.
        let listed = self.ip(&["-o", "link", "show", "dev", interface]);
        let index = listed.split(':').next().and_then(|index| index.trim().parse().ok());
        index.unwrap_or_else(|| panic!("{interface}: {listed}"))
    }

    /// Waits until `interface` has noticed that its cable is whole.
    #[track_caller]
    pub fn wait_until_up(&self, interface: &str) {
        let up = LinkAttribute::OperState(State::Up);
        let ask = async || {
            let netlink = Netlink::open().expect("netlink");
            let mut links = netlink.handle().link().get().match_name(interface.to_owned()).execute();
            let link = links.try_next().await.expect("an answer").expect("there it is");
            link.attributes.contains(&up).then_some(())
        };
        self.inside(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            wait_for(&format!("carrier of {interface}"), || runtime.block_on(ask()));
        });
    }

    /// Writes `value` to `/proc/sys/net/NAME`.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.inside(|| fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}")));
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(NAMED).join(&self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A panic here while another unwinds would abort and hide it.
        let gone = unmount(self.path(), UnmountFlags::DETACH).map_err(Into::into);
        if let Err(error) = gone.and_then(|()| fs::remove_file(self.path())) {
            eprintln!("namespace {} stays behind: {error}", self.0);
        }
    }
}

impl Net {
    /// A veth pair from `a` to `b`: what leaves [`VA`] is seen at [`VB`] as it
    /// left, unfinished checksums and whole GSO packets included.
    pub fn direct() -> Self {
        let net = Self { a: Namespace::new(), b: Namespace::new(), hop: None, krtp: Krtp::new() };
        let cable = format!("link add {VA} type veth peer name {VB} netns {}", net.b.name());
        prepare(&net.a, &cable, (VA, SENDER, SENDER6));
        prepare(&net.b, "", (VB, RECEIVER, RECEIVER6));
        net.wait_until_up();
        net
    }

    /// The same, with a bridge in between whose way to `b` has no offloads at
    /// all: it finishes checksums and segments GSO packets as a cable needs them.
    pub fn resolving() -> Self {
        let hop = Namespace::new();
        let (a, b) = (Namespace::new(), Namespace::new());
        hop.sysctl("ipv6/conf/default/disable_ipv6", "1");
        let cable =
            |end, other| ["link", "add", end, "type", "veth", "peer", "name", other, "netns", hop.name()];
        a.ip(&cable(VA, "ha"));
        b.ip(&cable(VB, "hb"));
        hop.offload("hb", &["tx", "off", "sg", "off", "gso", "off"]);
        hop.ip_all(&[
            "link set lo up",
            "link add bridge type bridge mcast_snooping 0 stp_state 0",
            "link set ha master bridge up",
            "link set hb master bridge up",
            "link set bridge up",
        ]);
        // At last: a bridge forwards nothing for a moment after its port's other end has come up, or it.
        prepare(&a, "", (VA, SENDER, SENDER6));
        prepare(&b, "", (VB, RECEIVER, RECEIVER6));
        let net = Self { a, b, hop: Some(hop), krtp: Krtp::new() };
        net.wait_until_up();
        net
    }

    /// A second cable from `a` to `b`, its ends called `va2` and `vb2`, with
    /// 198.18.2.1 and 198.18.2.2.
    pub fn add_second(&self) {
        let cable = format!("link add va2 type veth peer name vb2 netns {}", self.b.name());
        self.a.ip_all(&[&cable, "address add 198.18.2.1/24 dev va2", "link set va2 up"]);
        self.b.ip_all(&["address add 198.18.2.2/24 dev vb2", "link set vb2 up"]);
        self.a.wait_until_up("va2");
        self.b.wait_until_up("vb2");
    }

    /// Lets no more than 40 Mb/s through the sender's interface: who sends as
    /// fast as possible is held up, and a test can bound what it captures.
    pub fn slow_down(&self) {
        let shape = ["rate", "40mbit", "burst", "64k", "limit", "10m"];
        self.a.run("tc", &[&["qdisc", "add", "dev", VA, "root", "tbf"], &shape[..]].concat());
    }

    /// Starts `krtp stream ARGUMENTS --json` at the sender's.
    #[track_caller]
    pub fn start_stream(&self, arguments: &[&str]) -> Running {
        self.krtp.start(&self.a, &[&["stream"], arguments, &["--json"]].concat())
    }

    /// Runs `krtp stream ARGUMENTS --json` at the sender's to its end.
    #[track_caller]
    pub fn stream(&self, arguments: &[&str]) -> Ended {
        self.start_stream(arguments).wait()
    }

    /// Where the receiver is, by family.
    pub fn receiver(ipv6: bool) -> IpAddr {
        let address = if ipv6 { RECEIVER6 } else { RECEIVER };
        address.parse().expect("a literal")
    }

    fn wait_until_up(&self) {
        self.a.wait_until_up(VA);
        self.b.wait_until_up(VB);
    }
}

/// Gives an end of the cable its addresses, after what is to be done before.
fn prepare(end: &Namespace, before: &str, (interface, v4, v6): (&str, &str, &str)) {
    end.ip_all(&[
        "link set lo up",
        before,
        &format!("address add {v4}/24 dev {interface}"),
        &format!("address add {v6}/64 dev {interface} nodad"),
        &format!("link set {interface} up"),
    ]);
}

/// Runs `command`, which must succeed; its standard output.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
