//! The way of each destination: interface, next hop, and what stands in it.
//! Looked at in the order in which a person would mend it.

use super::Options;
use crate::{
    engine::Checksum,
    media::Media,
    net::{
        netlink::{Link, Netlink},
        route::{self, Ends, NextHop},
        socket::{self, overhead},
    },
};
use anyhow::{Context, Result, bail, ensure};
use std::net::{IpAddr, SocketAddr};

/// One destination and its way.
#[derive(Debug)]
pub(super) struct Way {
    pub destination: SocketAddr,
    pub link: Link,
    /// Who has to answer, where somebody has to.
    pub next_hop: Option<NextHop>,
}

/// Checks what can be checked without looking at the host.
pub(super) fn check_options(options: &Options) -> Result<()> {
    ensure!(!options.to.is_empty(), "no destination: give --to HOST:PORT");
    for destination in &options.to {
        ensure!(
            destination.port() != 0,
            "{destination}: port 0 is no destination; give --to HOST:PORT with a port from 1 to 65535"
        );
        ensure!(
            !destination.ip().is_unspecified(),
            "{destination} is no destination: give the receiver's address"
        );
        ensure!(
            destination.is_ipv4() || options.checksum == Checksum::Full,
            "{destination}: --checksum zero is for IPv4 only (RFC 8200 wants a checksum in every UDP packet)"
        );
        ensure!(
            options.interface.is_some() || !is_of_a_link(destination),
            "{destination} is a link-local address, and each interface has its own: say which with --iface"
        );
        if let Some(source) = options.source {
            ensure!(
                source.is_ipv4() == destination.is_ipv4(),
                "--source {0} and destination {destination} are of different address families: \
                 give an {1} source",
                source.ip(),
                if destination.is_ipv4() { "IPv4" } else { "IPv6" }
            );
            ensure!(
                !source.ip().is_multicast() && !is_broadcast(source.ip()),
                "--source {} is nobody's own address: give one of this host (see `ip address`)",
                source.ip()
            );
        }
    }
    Ok(())
}

/// Interface and next hop of `destination`.
pub(super) async fn find_way(netlink: &Netlink, options: &Options, destination: SocketAddr) -> Result<Way> {
    let named = match &options.interface {
        Some(name) => {
            let link = netlink.link_by_name(name).await?;
            Some(link.with_context(|| format!("there is no interface {name}: see `ip link`"))?)
        }
        None => None,
    };
    if let Some(link) = &named {
        check_up(link)?;
    }
    if let Some(source) = options.source {
        socket::check_source(source)?;
    }
    let source = options.source.map(|source| source.ip()).filter(|source| !source.is_unspecified());
    let ends = Ends { destination: destination.ip(), source };
    let route = route::find(netlink, ends, named.map(|link| link.index)).await?;
    let link = netlink
        .link_by_index(route.interface)
        .await?
        .with_context(|| format!("the interface of the route to {destination} has just gone"))?;
    check_up(&link)?;
    let multicast = destination.ip().is_multicast() || is_broadcast(destination.ip());
    let next_hop = (link.arp && !link.loopback && !multicast)
        .then_some(NextHop { address: route.next_hop, interface: link.index });
    if let Some(next_hop) = next_hop {
        route::resolve(netlink, next_hop.address, (link.index, &link.name)).await?;
    }
    Ok(Way { destination, link, next_hop })
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast())
}

/// Whether an address says nothing without its interface (RFC 4007 §4).
fn is_of_a_link(destination: &SocketAddr) -> bool {
    let SocketAddr::V6(destination) = destination else {
        return false;
    };
    let address = destination.ip();
    let group = address.is_multicast() && address.segments()[0] & 0xf <= 2;
    destination.scope_id() == 0 && (group || address.is_unicast_link_local())
}

fn check_up(link: &Link) -> Result<()> {
    ensure!(link.up, "interface {0} is down: ip link set {0} up", link.name);
    ensure!(
        link.carrier,
        "interface {} has no carrier: check the cable, and that the other end is up",
        link.name
    );
    Ok(())
}

/// Sees to it that a packet fits the interface.
pub(super) fn check_payload(way: &Way, media: &Media) -> Result<()> {
    let Way { destination, link, .. } = way;
    let room = link.mtu.saturating_sub(overhead(destination.is_ipv6()));
    if media.payload <= room {
        return Ok(());
    }
    let largest = room / media.unit * media.unit;
    ensure!(
        largest > 0,
        "the MTU {} of {name} is too small for any payload to {destination}: ip link set {name} mtu {}",
        link.mtu,
        overhead(destination.is_ipv6()) + media.payload,
        name = link.name
    );
    bail!(
        "a payload of {} octets does not fit the MTU {} of {}: the largest to {destination} is {largest} (--payload {largest})",
        media.payload,
        link.mtu,
        link.name
    );
}
