//! Which way packets go: interface, next hop, and whether the next hop answers.

use super::netlink::{Netlink, NetlinkError, is_errno};
use futures_util::TryStreamExt;
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::{
        AddressFamily,
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia},
    },
};
use socket2::{Domain, Socket, Type};
use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a neighbour may take to answer: the kernel asks three times, a
/// second apart (`mcast_solicit`, `retrans_time_ms`).
const NEIGHBOUR_PATIENCE: Duration = Duration::from_millis(3_500);
/// How often its state is looked at meanwhile.
const NEIGHBOUR_LOOK: Duration = Duration::from_millis(20);
/// The port whose datagrams nobody misses (RFC 863).
const DISCARD: u16 = 9;

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the interface that packets leave through.
    pub interface: u32,
    /// Whom the interface hands them to: the gateway, or the destination.
    pub next_hop: IpAddr,
}

/// From where to where. Rules may choose the route by its source (`ip rule from`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where to.
    pub destination: IpAddr,
    /// Where from, if that is given.
    pub source: Option<IpAddr>,
}

impl fmt::Display for Ends {
    /// As `ip route get` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        self.source.map_or(Ok(()), |source| write!(f, " from {source}"))
    }
}

/// There is no way.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// No route.
    #[error("no route to {0}: add one (ip route add), or name an interface with --iface")]
    None(Ends),
    /// The route leads nowhere.
    #[error("the route to {0} is a blackhole or prohibited: see `ip route get {0}`")]
    Closed(Ends),
    /// The next hop is silent.
    #[error("{next_hop} does not answer on {interface} ({protocol}): is it up, and on this network?")]
    Silent {
        /// Who.
        next_hop: IpAddr,
        /// Where.
        interface: String,
        /// ARP or neighbour discovery.
        protocol: &'static str,
    },
    /// rtnetlink said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// The kernel's route between `ends`, through `interface` if one is given. A
/// source must be an address of this host: of others the kernel says what it
/// says where there is no route.
pub async fn find(netlink: &Netlink, ends: Ends, interface: Option<u32>) -> Result<Route, RouteError> {
    let answer = netlink.handle().route().get(request(ends, interface)).execute().try_next().await;
    let message = match answer {
        Ok(Some(message)) => message,
        Ok(None) => return Err(RouteError::None(ends)),
        Err(error) if is_errno(&error, libc::ENETUNREACH) || is_errno(&error, libc::EHOSTUNREACH) => {
            return Err(RouteError::None(ends));
        }
        Err(error) if is_errno(&error, libc::EINVAL) || is_errno(&error, libc::EACCES) => {
            return Err(RouteError::Closed(ends));
        }
        Err(error) => {
            return Err(NetlinkError::refused(format!("looking for a route to {ends}"))(error).into());
        }
    };
    read(&message, ends.destination).ok_or(RouteError::None(ends))
}

fn request(Ends { destination, source }: Ends, interface: Option<u32>) -> RouteMessage {
    let mut message = match destination {
        IpAddr::V4(address) => {
            RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(address, 32).build()
        }
        IpAddr::V6(address) => {
            RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(address, 128).build()
        }
    };
    if let Some(source) = source {
        message.header.source_prefix_length = if source.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Source(source.into()));
    }
    if let Some(index) = interface {
        message.attributes.push(RouteAttribute::Oif(index));
    }
    message
}

fn read(message: &RouteMessage, destination: IpAddr) -> Option<Route> {
    let mut interface = None;
    let mut next_hop = destination;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address))
            | RouteAttribute::Via(RouteVia::Inet(address)) => next_hop = IpAddr::V4(*address),
            RouteAttribute::Gateway(RouteAddress::Inet6(address))
            | RouteAttribute::Via(RouteVia::Inet6(address)) => next_hop = IpAddr::V6(*address),
            _ => {}
        }
    }
    Some(Route { interface: interface?, next_hop })
}

/// Has the kernel find the link-layer address of `next_hop` and waits for it.
/// Before it is known, only a few packets would wait in the neighbour's queue
/// and the rest of the first batches would be lost.
pub async fn resolve(netlink: &Netlink, next_hop: IpAddr, interface: (u32, &str)) -> Result<(), RouteError> {
    let (index, name) = interface;
    let deadline = Instant::now() + NEIGHBOUR_PATIENCE;
    let mut asked = false;
    loop {
        match state(netlink, next_hop, index).await? {
            Some(state) if is_known(state) => return Ok(()),
            // Failed before anybody asked says nothing of now.
            Some(NeighbourState::Failed) if asked => break,
            _ if !asked => {
                match ask(netlink, next_hop, index).await {
                    Err(error) if error.errno() == Some(libc::EPERM) => knock(next_hop, interface),
                    other => other?,
                }
                asked = true;
            }
            _ if Instant::now() > deadline => break,
            _ => sleep(NEIGHBOUR_LOOK).await,
        }
    }
    let protocol = if next_hop.is_ipv4() { "ARP" } else { "neighbour discovery" };
    Err(RouteError::Silent { next_hop, interface: name.to_owned(), protocol })
}

/// A neighbour that packets go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Its address.
    pub address: IpAddr,
    /// Index of the interface it is on.
    pub interface: u32,
}

impl NextHop {
    /// Whether its link-layer address is not known now.
    pub async fn is_silent(&self, netlink: &Netlink) -> Result<bool, NetlinkError> {
        let state = state(netlink, self.address, self.interface).await?;
        Ok(!state.is_some_and(is_known))
    }
}

/// States in which packets leave at once.
fn is_known(state: NeighbourState) -> bool {
    matches!(
        state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp
    )
}

/// `NTF_USE`: the kernel solicits the neighbour without a packet of ours.
async fn ask(netlink: &Netlink, next_hop: IpAddr, index: u32) -> Result<(), NetlinkError> {
    let request = netlink.handle().neighbours().add(index, next_hop);
    request
        .state(NeighbourState::None)
        .flags(NeighbourFlags::Use)
        .replace()
        .execute()
        .await
        .map_err(NetlinkError::refused(format!("asking for the neighbour {next_hop}")))
}

/// The same for a user who may not (no `CAP_NET_ADMIN`): an empty datagram to the
/// discard port (RFC 863) has the kernel ask as any packet has. Should it not
/// leave, nobody answers, and that is said.
fn knock(next_hop: IpAddr, (index, name): (u32, &str)) {
    let (domain, address) = match next_hop {
        IpAddr::V4(address) => (Domain::IPV4, SocketAddr::from((address, DISCARD))),
        IpAddr::V6(address) => (Domain::IPV6, SocketAddrV6::new(address, DISCARD, 0, index).into()),
    };
    let knock = || {
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), None)?;
        socket.bind_device(Some(name.as_bytes()))?;
        socket.send_to(&[], &address.into())
    };
    if let Err(error) = knock() {
        tracing::info!("asking for the neighbour {next_hop}: {error}");
    }
}

async fn state(
    netlink: &Netlink,
    next_hop: IpAddr,
    index: u32,
) -> Result<Option<NeighbourState>, NetlinkError> {
    let mut neighbours = netlink.handle().neighbours().get().execute();
    let refused = || NetlinkError::refused("listing the neighbours");
    let mut found = None;
    while let Some(neighbour) = neighbours.try_next().await.map_err(refused())? {
        if neighbour.header.ifindex == index && address(&neighbour) == Some(next_hop) {
            found = Some(neighbour.header.state);
        }
    }
    Ok(found)
}

fn address(neighbour: &NeighbourMessage) -> Option<IpAddr> {
    if !matches!(neighbour.header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return None;
    }
    neighbour.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })
}
