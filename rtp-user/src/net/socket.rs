//! The UDP socket of a flow.

use rtp_common::header;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    ffi::c_int,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// Octets of an IPv4 header without options.
const IPV4_HEADER: u32 = 20;
/// Octets of an IPv6 header.
const IPV6_HEADER: u32 = 40;
/// Octets of a UDP header.
const UDP_HEADER: u32 = 8;

/// Octets in front of a payload: IP, UDP and RTP header.
pub const fn overhead(ipv6: bool) -> u32 {
    (if ipv6 { IPV6_HEADER } else { IPV4_HEADER }) + UDP_HEADER + header::LEN as u32
}

/// How a flow's socket is to be set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub destination: SocketAddr,
    /// Where from; port zero: any.
    pub source: Option<SocketAddr>,
    /// The interface to leave through, with its index.
    pub interface: Option<(String, u32)>,
    /// Time to live, or hop limit.
    pub ttl: Option<u8>,
    /// Differentiated services code point (RFC 2474), 0–63.
    pub dscp: Option<u8>,
}

/// Why a socket could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nowhere to go.
    #[error("{destination} cannot be reached: {source}{}", remedy(source))]
    Unreachable {
        /// Where to.
        destination: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The source address or port is not to be had.
    #[error("cannot send from {address}: {source}{}", source_remedy(source))]
    Source {
        /// The address asked for.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An option was refused.
    #[error("cannot set {option} for {destination}: {source}")]
    Option {
        /// Which.
        option: &'static str,
        /// Of which flow.
        destination: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => "; add a route, or name an interface with --iface",
        Some(libc::EACCES) => "; a broadcast address is no destination: give the receiver's own, or a group",
        _ => "",
    }
}

fn source_remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => "; give an address of this host (see `ip address`)",
        Some(libc::EADDRINUSE) => "; another program has this port: give another",
        Some(libc::EACCES) => "; give a port from 1024 on, or run as root or with CAP_NET_BIND_SERVICE",
        Some(libc::EINVAL) => "; a link-local address needs its interface: add --iface",
        _ => "",
    }
}

/// Sees that `address` is one of this host. Its port is not looked at.
pub fn check_source(address: SocketAddr) -> Result<(), SocketError> {
    let refused = |source| SocketError::Source { address, source };
    let mut any_port = address;
    any_port.set_port(0);
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(Protocol::UDP)).map_err(refused)?;
    socket.bind(&any_port.into()).map_err(refused)
}

/// A connected UDP socket.
#[derive(Debug)]
pub struct FlowSocket {
    socket: Socket,
    destination: SocketAddr,
    source: SocketAddr,
}

impl FlowSocket {
    /// Opens and connects a socket. Packets are never fragmented.
    pub fn open(options: &Options) -> Result<Self, SocketError> {
        let destination = options.destination;
        let refused = |option| move |source| SocketError::Option { option, destination, source };
        let ipv6 = destination.is_ipv6();
        let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), Some(Protocol::UDP))
            .map_err(refused("a UDP socket"))?;
        if let Some(address) = options.source {
            socket.set_reuse_address(true).map_err(refused("SO_REUSEADDR"))?;
            socket.bind(&address.into()).map_err(|source| SocketError::Source { address, source })?;
        }
        if let Some((name, index)) = &options.interface {
            socket.bind_device(Some(name.as_bytes())).map_err(refused("SO_BINDTODEVICE"))?;
            if ipv6 {
                socket.set_multicast_if_v6(*index).map_err(refused("IPV6_MULTICAST_IF"))?;
            }
        }
        set_up(&socket, options, ipv6).map_err(|(option, source)| refused(option)(source))?;
        socket
            .connect(&destination.into())
            .map_err(|source| SocketError::Unreachable { destination, source })?;
        let source = socket
            .local_addr()
            .map_err(refused("the source address"))?
            .as_socket()
            .unwrap_or_else(|| SocketAddr::new(unspecified(ipv6), 0));
        Ok(Self { socket, destination, source })
    }

    /// Where it sends to.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Where it sends from.
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// The largest packet of the path, octets from the IP header on. Falls
    /// with the interface's MTU and with what routers report.
    pub fn mtu(&self) -> io::Result<u32> {
        let (level, option) = match self.destination {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
        };
        option_get(self.socket.as_fd(), level, option)
    }

    /// Looks for the route again; where it comes from stays.
    pub fn reconnect(&self) -> io::Result<()> {
        self.socket.connect(&self.destination.into())
    }

    /// The number by which the kernel names this socket.
    pub fn cookie(&self) -> io::Result<u64> {
        option_get(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_COOKIE)
    }

    /// `SO_PRIORITY`: `skb->priority` of what it sends.
    pub fn priority(&self) -> io::Result<u32> {
        option_get(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY)
    }

    /// Sets `SO_PRIORITY`.
    pub fn set_priority(&self, priority: u32) -> io::Result<()> {
        option_set(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_PRIORITY, &priority.cast_signed())
    }

    /// Has the kernel cut what is sent into datagrams of `octets` each
    /// (`UDP_SEGMENT`, Linux 4.18); zero: no cutting.
    pub fn set_segment(&self, octets: u16) -> io::Result<()> {
        option_set(self.socket.as_fd(), libc::IPPROTO_UDP, libc::UDP_SEGMENT, &c_int::from(octets))
    }

    /// Takes a send buffer of `octets`, beyond the system's limit
    /// (`SO_SNDBUFFORCE`, `CAP_NET_ADMIN`).
    pub fn force_send_buffer(&self, octets: u32) -> io::Result<()> {
        option_set(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &octets.cast_signed())
    }

    /// No UDP checksum (`SO_NO_CHECK`).
    pub fn set_no_checksum(&self) -> io::Result<()> {
        option_set(self.socket.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, &1)
    }

    /// Has a copy of each multicast packet for listeners on this host, or not.
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        match self.destination.ip() {
            IpAddr::V4(_) => self.socket.set_multicast_loop_v4(on),
            IpAddr::V6(_) => self.socket.set_multicast_loop_v6(on),
        }
    }

    /// Octets of memory that are handed over and have not left (`SIOCOUTQ`).
    pub fn waiting(&self) -> io::Result<u64> {
        let mut octets: c_int = 0;
        // SAFETY: the request writes one integer.
        let answer = unsafe { libc::ioctl(self.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
        if answer == 0 { Ok(octets.cast_unsigned().into()) } else { Err(io::Error::last_os_error()) }
    }

    /// Throws away the datagram that stands unfinished in the socket, if one does.
    pub fn abandon(&self) {
        // Octets that cannot be added let go of those that are there (`ip_append_data`, then
        // `udp_flush_pending_frames`); more than fit behind a UDP header are no datagram by themselves either.
        static TOO_MANY: [u8; u16::MAX as usize] = [0; u16::MAX as usize];
        let answer = self.sock_ref().send(&TOO_MANY);
        debug_assert!(answer.is_err(), "a datagram of {answer:?} octets");
    }

    /// The socket itself.
    pub fn sock_ref(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl AsFd for FlowSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for FlowSocket {
    fn as_raw_fd(&self) -> c_int {
        self.socket.as_raw_fd()
    }
}

fn unspecified(ipv6: bool) -> IpAddr {
    if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

/// The options that do not depend on the engine.
fn set_up(socket: &Socket, options: &Options, ipv6: bool) -> Result<(), (&'static str, io::Error)> {
    let fd = socket.as_fd();
    let (level, discover, always) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)
    };
    option_set(fd, level, discover, &always).map_err(|error| ("path MTU discovery", error))?;
    let multicast = options.destination.ip().is_multicast();
    if multicast
        && !ipv6
        && let Some((_, index)) = &options.interface
    {
        let request = libc::ip_mreqn {
            imr_multiaddr: libc::in_addr { s_addr: 0 },
            imr_address: libc::in_addr { s_addr: 0 },
            imr_ifindex: index.cast_signed(),
        };
        option_set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)
            .map_err(|error| ("IP_MULTICAST_IF", error))?;
    }
    if let Some(ttl) = options.ttl {
        let ttl = u32::from(ttl);
        match (ipv6, multicast) {
            (false, false) => socket.set_ttl_v4(ttl),
            (false, true) => socket.set_multicast_ttl_v4(ttl),
            (true, false) => socket.set_unicast_hops_v6(ttl),
            (true, true) => socket.set_multicast_hops_v6(ttl),
        }
        .map_err(|error| ("--ttl", error))?;
    }
    if let Some(dscp) = options.dscp {
        // The code point is the upper six bits of the octet (RFC 2474 §3).
        let octet = u32::from(dscp) << 2;
        if ipv6 { socket.set_tclass_v6(octet) } else { socket.set_tos_v4(octet) }
            .map_err(|error| ("--dscp", error))?;
    }
    Ok(())
}

/// The number by which the kernel names this network namespace
/// (`SO_NETNS_COOKIE`, Linux 5.14). Unlike the inode of `/proc/self/ns/net` it
/// is never used again.
pub fn namespace_cookie() -> io::Result<u64> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.cloexec(), None)?;
    option_get(socket.as_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE)
}

/// getsockopt(2) for a plain value.
fn option_get<T: bytemuck::Pod>(fd: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<T> {
    let mut value = T::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is `length` writable octets, and any bits are a `T`.
    let answer =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut length) };
    if answer == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// setsockopt(2) for a plain value.
fn option_set<T>(fd: BorrowedFd<'_>, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is `length` readable octets.
    let answer =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
