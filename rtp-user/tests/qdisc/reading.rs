//! What an interface's qdiscs do, as krtp reads it.

use crate::{
    has_fq,
    support::{Namespace, Net},
};
use krtp::net::{
    netlink::{Link, Netlink, NetlinkError},
    qdisc::{self, Departures, Drops},
};
use std::{net::UdpSocket, os::fd::AsRawFd};

/// Calls `ask` for `interface` inside of `namespace`.
fn ask<T: Send>(
    namespace: &Namespace,
    interface: &str,
    ask: impl AsyncFnOnce(&Netlink, &Link) -> Result<T, NetlinkError> + Send,
) -> T {
    namespace.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let netlink = Netlink::open().expect("netlink");
            let link = netlink.link_by_name(interface).await.expect("an answer").expect(interface);
            ask(&netlink, &link).await.expect("an answer")
        })
    })
}

fn departures(net: &Net, interface: &str) -> Departures {
    ask(&net.a, interface, async |netlink, link| qdisc::departures(netlink, link).await)
}

fn why_not(net: &Net, interface: &str) -> String {
    match departures(net, interface) {
        Departures::NotKept { why } => why,
        Departures::Kept(fq) => panic!("{fq:?}"),
    }
}

#[test]
fn without_fq_departure_times_are_not_kept() {
    let net = Net::direct();
    assert_eq!(why_not(&net, "va"), "va has no queue (noqueue)");
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "pfifo_fast"]);
    assert_eq!(why_not(&net, "va"), "va has pfifo_fast");
    net.a.run("tc", &["qdisc", "replace", "dev", "va", "root", "handle", "1:", "htb", "default", "1"]);
    assert_eq!(why_not(&net, "va"), "va has htb");
}

#[test]
fn with_fq_they_are() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "fq", "limit", "4321", "flow_limit", "321"]);
    let Departures::Kept(fq) = departures(&net, "va") else { panic!("it is fq") };
    assert_eq!((fq.limit, fq.flow_limit, fq.horizon.as_secs()), (4321, 321, 10));
    assert_eq!(fq.interface, "va");
}

/// The departure time survives the way from a VLAN to the interface below.
#[test]
fn a_vlan_has_what_is_below() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.ip(&["link", "add", "link", "va", "name", "va.5", "type", "vlan", "id", "5"]);
    net.a.ip(&["link", "set", "va.5", "up"]);
    assert_eq!(why_not(&net, "va.5"), "va.5 has no queue (noqueue)");
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "fq"]);
    let Departures::Kept(fq) = departures(&net, "va.5") else { panic!("va has fq") };
    assert_eq!(fq.interface, "va");
}

/// A socket that the kernel paces at 1 kB/s leaves most of what it sends at
/// once in fq, which takes `flow_limit` packets of it.
#[test]
fn what_fq_drops_is_counted() {
    let net = Net::direct();
    if !has_fq(&net) {
        return;
    }
    net.a.run("tc", &["qdisc", "add", "dev", "va", "root", "fq", "flow_limit", "10"]);
    let drops = || ask(&net.a, "va", async |netlink, link| qdisc::drops(netlink, link).await);
    assert_eq!(drops(), Drops::default());
    net.a.inside(|| {
        let socket = UdpSocket::bind("198.18.0.1:0").expect("a socket");
        let rate = 1000u32;
        // SAFETY: four readable octets.
        let answer = unsafe {
            let length = size_of_val(&rate) as libc::socklen_t;
            let (level, option) = (libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE);
            libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const rate).cast(), length)
        };
        assert_eq!(answer, 0);
        // The first opens the way: the neighbour has to answer.
        for _ in 0..100 {
            // A drop may be told to the sender, which is as well.
            let _ = socket.send_to(&[0; 1000], "198.18.0.2:9");
        }
    });
    let after = drops();
    assert!(after.all > 0 && after.flow_limit == after.all && after.horizon == 0, "{after:?}");
}
