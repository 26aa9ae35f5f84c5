//! What `krtp stream` will use, and how to get more: decisions alone.

use super::{
    host::{Host, Load, Support},
    interface::{Interface, Presence},
};
use crate::{
    kernel::hang::Hook,
    net::{netlink::Link, qdisc::Departures, socket::overhead},
};

/// Octets of a transport stream packet (ISO/IEC 13818-1 §2.4.3.2).
const TS: u32 = 188;
/// Transport stream packets of a full datagram, as everybody sends them.
pub const TS_PACKETS: u32 = 7;
/// Octets of the largest IPv4 packet; IPv6 does not count its header.
const LARGEST_IPV4: u32 = 65_535;
const LARGEST_IPV6: u32 = LARGEST_IPV4 + 40;
/// The smallest MTU that IPv6 works on (RFC 8200 §5).
const SMALLEST_IPV6: u32 = 1280;

/// The engine that `--engine auto` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The kernel's.
    Kernel {
        /// How the program hangs on the interface.
        hook: Hook,
        /// Why datagrams go one by one, if they do.
        one_by_one: Option<String>,
    },
    /// The user engine, and why.
    User(String),
}

impl Engine {
    /// On `interface` of `host`.
    pub fn choose(host: &Host, interface: &Interface) -> Self {
        if let Some(why) = obstacle(host) {
            return Self::User(why);
        }
        if !interface.link.ethernet {
            return Self::User(format!("{} has no Ethernet headers", interface.link.name));
        }
        Self::Kernel { hook: host.hook, one_by_one: no_segmenter(host, interface) }
    }
}

/// Why this host takes no kernel engine.
pub fn obstacle(host: &Host) -> Option<String> {
    if host.too_old.is_some() {
        return Some(format!("Linux {} is too old", host.release));
    }
    if !host.missing.is_empty() {
        return Some(format!("{} missing", are(&host.missing)));
    }
    match &host.load {
        Load::Loads | Load::NotTried => None,
        Load::Barred => Some("loading BPF programs is not permitted here".into()),
        Load::Refused { .. } => Some("the BPF program does not load".into()),
    }
}

fn are(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

/// Why batches are not segmented on `interface`, where they are not.
pub fn no_segmenter(host: &Host, interface: &Interface) -> Option<String> {
    match (&interface.unfit, interface.krtp, host.macvlan) {
        (Some(why), _, _) => Some(why.clone()),
        (None, Presence::Attached { segmenter: true }, _) => None,
        (None, Presence::Attached { segmenter: false }, _) => {
            Some(format!("{} was attached without a segmenter", interface.link.name))
        }
        (None, _, Support::No) => Some("this kernel has no macvlan".into()),
        (None, _, Support::Yes | Support::Unknown) => None,
    }
}

/// What stops every stream through `link`, and the remedy.
pub fn closed(link: &Link) -> Option<(&'static str, String)> {
    if !link.up {
        return Some(("it is up", format!("{0} is down: ip link set {0} up", link.name)));
    }
    (!link.carrier).then(|| {
        let remedy = format!("{} has no carrier: check the cable, and that the other end is up", link.name);
        ("it has a carrier", remedy)
    })
}

/// The largest payload through an interface of `mtu`; none: not even one octet,
/// or no IPv6 at all.
pub fn largest_payload(mtu: u32, ipv6: bool) -> Option<u32> {
    if ipv6 && mtu < SMALLEST_IPV6 {
        return None;
    }
    let largest = if ipv6 { LARGEST_IPV6 } else { LARGEST_IPV4 };
    mtu.min(largest).checked_sub(overhead(ipv6)).filter(|octets| *octets > 0)
}

/// Whole transport stream packets in `payload` octets, at most a full datagram's.
pub fn ts_packets(payload: u32) -> u32 {
    (payload / TS).min(TS_PACKETS)
}

/// Octets of so many transport stream packets.
pub fn ts_octets(packets: u32) -> u32 {
    packets * TS
}

/// How to get more of this host, one line each.
pub fn host_hints(host: &Host) -> Vec<String> {
    let mut hints = Vec::new();
    if host.too_old.is_some() {
        hints.push("boot Linux 6.1 or newer: the kernel engine".into());
    }
    if !host.missing.is_empty() {
        let setcap = format!("setcap cap_bpf,cap_net_admin=ep {}", host.executable);
        hints.push(format!("run as root, or give krtp the privileges once ({setcap}): the kernel engine"));
    }
    match &host.load {
        Load::Barred => hints.push(
            "run on the host itself: a container's or user namespace's capabilities do not reach BPF".into(),
        ),
        Load::Refused { .. } => hints.push(
            "report the refusal with `krtp doctor --load` and the kernel's version: that is a bug in krtp"
                .into(),
        ),
        Load::Loads | Load::NotTried => {}
    }
    if host.jit == Some(false) {
        hints
            .push("sysctl net.core.bpf_jit_enable=1: the program runs compiled, several times faster".into());
    }
    if host.macvlan == Support::No {
        hints.push("a kernel with macvlan (CONFIG_MACVLAN): whole batches per system call".into());
    }
    hints
}

/// How to get more of one interface, one line each.
pub fn interface_hints(host: &Host, interface: &Interface) -> Vec<String> {
    let link = &interface.link;
    let mut hints = Vec::new();
    hints.extend(closed(link).map(|(_, remedy)| remedy));
    if !link.ethernet {
        hints.push("stream through an interface with Ethernet headers (--iface): the kernel engine".into());
    }
    if interface.unfit.is_some() {
        hints.extend(fit(interface).map(|remedy| format!("{remedy}: whole batches per system call")));
    }
    if interface.unfit.is_none()
        && host.macvlan != Support::No
        && interface.krtp == (Presence::Attached { segmenter: false })
    {
        hints.push(format!("krtp detach {0}, krtp attach {0}: tries again to make a segmenter", link.name));
    }
    let full = overhead(link.mtu >= SMALLEST_IPV6) + ts_octets(TS_PACKETS);
    if link.mtu < full {
        hints.push(format!("ip link set {} mtu {full}: seven transport stream packets in each", link.name));
    }
    hints.extend(departures(host, interface));
    hints
}

/// What has packets leave at their departure times, where they do not.
fn departures(host: &Host, interface: &Interface) -> Option<String> {
    let Link { name, loopback, ethernet, .. } = &interface.link;
    let gains = *ethernet && !loopback && !matches!(interface.departures, Departures::Kept(_));
    let how = match host.fq {
        Support::No => "a kernel with fq (CONFIG_NET_SCH_FQ)".into(),
        Support::Yes | Support::Unknown => {
            format!("krtp stream --qdisc fq (or krtp attach {name} --qdisc fq)")
        }
    };
    gains.then(|| format!("{how}: the kernel has each packet leave at its time"))
}

/// What gets an unfit interface a segmenter, if anything does.
fn fit(interface: &Interface) -> Option<String> {
    let Link { name, loopback, ethernet, lower, .. } = &interface.link;
    if interface.offload.is_some_and(|offload| !offload.checksum) {
        return ethernet.then(|| format!("ethtool -K {name} tx on"));
    }
    (!loopback && lower.is_some()).then(|| format!("stream through the interface below {name}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Engine, closed, host_hints, interface_hints, largest_payload, obstacle, ts_packets};
    use crate::{
        doctor::{
            host::{Host, Load, Support},
            interface::{Interface, Offload, Presence, Queueing},
        },
        kernel::hang::Hook,
        net::{
            netlink::Link,
            qdisc::{Departures, fq::Fq},
        },
    };
    use std::time::Duration;

    /// A host on which everything is as krtp likes it.
    pub fn host() -> Host {
        Host {
            release: "6.12.0".into(),
            too_old: None,
            hook: Hook::Tcx,
            root: true,
            missing: Vec::new(),
            load: Load::Loads,
            jit: Some(true),
            btf: true,
            bpffs: true,
            macvlan: Support::Yes,
            fq: Support::Yes,
            attached: Some(Vec::new()),
            left_behind: Vec::new(),
            executable: "/usr/bin/krtp".into(),
        }
    }

    /// An interface of which the same is true.
    pub fn interface() -> Interface {
        Interface {
            link: Link {
                index: 2,
                name: "eth0".into(),
                mtu: 1500,
                up: true,
                carrier: true,
                running: true,
                ethernet: true,
                arp: true,
                loopback: false,
                alias: None,
                kind: None,
                lower: None,
                qdisc: "fq".into(),
                gso_max_segs: 65_535,
            },
            unfit: None,
            queueing: Queueing { root: "fq".into(), leaves: Vec::new() },
            departures: Departures::Kept(Fq {
                limit: 10_000,
                flow_limit: 100,
                horizon: Duration::from_secs(10),
                drops_beyond: true,
                max_rate: None,
                interface: "eth0".into(),
            }),
            offload: Some(Offload { checksum: true, segmentation: true }),
            others: Some(Vec::new()),
            krtp: Presence::None,
        }
    }

    fn host_but(change: impl FnOnce(&mut Host)) -> Host {
        let mut host = host();
        change(&mut host);
        host
    }

    fn interface_but(change: impl FnOnce(&mut Interface)) -> Interface {
        let mut interface = interface();
        change(&mut interface);
        interface
    }

    #[test]
    fn nothing_is_to_be_had_where_all_is_well() {
        let engine = Engine::choose(&host(), &interface());
        assert_eq!(engine, Engine::Kernel { hook: Hook::Tcx, one_by_one: None });
        assert_eq!(host_hints(&host()), Vec::<String>::new());
        assert_eq!(interface_hints(&host(), &interface()), Vec::<String>::new());
    }

    #[test]
    fn what_the_host_lacks_is_named_with_its_remedy() {
        let refused = Load::Refused { why: "no".into(), log: String::new() };
        for (host, why, remedy) in [
            (host_but(|host| host.too_old = Some("old".into())), "too old", "Linux 6.1"),
            (host_but(|host| host.missing = vec!["CAP_BPF"]), "CAP_BPF is missing", "setcap"),
            (host_but(|host| host.load = Load::Barred), "not permitted", "on the host itself"),
            (host_but(|host| host.load = refused), "does not load", "--load"),
        ] {
            let obstacle = obstacle(&host).expect(why);
            assert!(obstacle.contains(why), "{obstacle}");
            assert_eq!(Engine::choose(&host, &interface()), Engine::User(obstacle));
            let hints = host_hints(&host);
            assert!(hints.len() == 1 && hints[0].contains(remedy), "{why}: {hints:?}");
        }
    }

    #[test]
    fn what_the_interface_lacks_is_named_with_its_remedy() {
        let below = |interface: &mut Interface| {
            interface.unfit = Some("a macvlan carries no segmenter of its own".into());
            interface.link.lower = Some(2);
        };
        let sumless = |interface: &mut Interface| {
            interface.unfit = Some("eth0 computes no checksums".into());
            interface.offload = Some(Offload { checksum: false, segmentation: false });
        };
        for (case, interface, remedy) in [
            ("no checksums", interface_but(sumless), "ethtool -K eth0 tx on"),
            ("down", interface_but(|it| it.link.up = false), "ip link set eth0 up"),
            ("no carrier", interface_but(|it| it.link.carrier = false), "cable"),
            ("no Ethernet", interface_but(|it| it.link.ethernet = false), "--iface"),
            ("a macvlan", interface_but(below), "below eth0"),
            ("too small for 7", interface_but(|it| it.link.mtu = 1375), "mtu 1376"),
            ("too small for IPv6", interface_but(|it| it.link.mtu = 1200), "mtu 1356"),
            (
                "no fq",
                interface_but(|it| it.departures = Departures::NotKept { why: "eth0 has pfifo".into() }),
                "--qdisc fq",
            ),
            (
                "attached without",
                interface_but(|it| it.krtp = Presence::Attached { segmenter: false }),
                "krtp detach eth0",
            ),
        ] {
            let hints = interface_hints(&host(), &interface);
            assert!(hints.len() == 1 && hints[0].contains(remedy), "{case}: {hints:?}");
        }
    }

    #[test]
    fn datagrams_go_one_by_one_where_there_is_no_segmenter() {
        let why = |host: &Host, interface: &Interface| match Engine::choose(host, interface) {
            Engine::Kernel { one_by_one, .. } => one_by_one.expect("no segmenter"),
            Engine::User(why) => panic!("the user engine because {why}"),
        };
        let loopback = interface_but(|it| it.unfit = Some("a loopback carries no segmenter".into()));
        assert_eq!(why(&host(), &loopback), "a loopback carries no segmenter");
        let without = host_but(|host| host.macvlan = Support::No);
        assert_eq!(why(&without, &interface()), "this kernel has no macvlan");
        let attached = interface_but(|it| it.krtp = Presence::Attached { segmenter: false });
        assert!(why(&host(), &attached).contains("attached without"));
    }

    #[test]
    fn the_user_engine_serves_what_has_no_ethernet() {
        let tunnel = interface_but(|it| it.link.ethernet = false);
        assert_eq!(Engine::choose(&host(), &tunnel), Engine::User("eth0 has no Ethernet headers".into()));
    }

    #[test]
    fn a_closed_interface_says_what_opens_it() {
        assert_eq!(closed(&interface().link), None);
        let down = interface_but(|it| (it.link.up, it.link.carrier) = (false, false));
        assert_eq!(closed(&down.link).expect("down").0, "it is up");
    }

    #[test]
    fn payloads_leave_room_for_all_headers() {
        for (mtu, ipv4, ipv6) in [
            (1500, Some(1460), Some(1440)),
            (9000, Some(8960), Some(8940)),
            // A loopback's MTU is more than IPv4 can say.
            (65_536, Some(65_495), Some(65_476)),
            (1279, Some(1239), None),
            (40, None, None),
            (0, None, None),
        ] {
            assert_eq!(largest_payload(mtu, false), ipv4, "IPv4, MTU {mtu}");
            assert_eq!(largest_payload(mtu, true), ipv6, "IPv6, MTU {mtu}");
        }
    }

    #[test]
    fn seven_transport_stream_packets_are_a_full_datagram() {
        for (payload, packets) in [(187, 0), (188, 1), (1315, 6), (1316, 7), (8960, 7)] {
            assert_eq!(ts_packets(payload), packets, "{payload} octets");
        }
    }
}
