//! The interfaces that packets go to, in a network namespace of our own.
//!
//! The namespace has no name and belongs to this process, so there is nothing
//! to clean up: whatever ends the process ends it and all that is in it.

mod peer;
mod queues;

pub use peer::{Drain, Peer, read_exactly};

use anyhow::{Context, ensure};
use krtp::net::netlink::{Link, Netlink, is_errno};
use nix::{
    libc,
    sched::{CloneFlags, setns, unshare},
    sys::socket::{setsockopt, sockopt::RcvBufForce},
};
use rtnetlink::{
    LinkIfb, LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    cell::Cell,
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

/// RTP's default port (RFC 3551 §8).
const PORT: u16 = 5004;
const PREFIX: u8 = 24;
/// `gso_max_segs` of an interface that takes whatever UDP GSO makes.
pub const UNLIMITED: u32 = 65_535;
/// Most octets behind the UDP header of a packet that needs no fragments: what IPv4 and UDP leave of an MTU of 1500.
pub const UNFRAGMENTED: usize = 1500 - 20 - 8;
/// Packets that an interface's queue holds, as network cards have it. An `ifb` by itself has 32, and drops what two
/// processors send at once.
const QUEUE: u32 = 1_000;
/// Octets of Ethernet, IPv4 and UDP headers.
const HEADERS: u64 = 14 + 20 + 8;
/// Octets that the receiver's socket may hold: a whole check, unread.
const RECEIVE_BUFFER: usize = 64 << 20;
/// How long the receiver waits for a packet that was sent.
const PATIENCE: Duration = Duration::from_secs(2);
/// The receiver's Ethernet address; locally administered.
const RECEIVER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// An interface and whom to send to through it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The interface.
    pub link: Link,
    /// Where to.
    pub destination: SocketAddr,
    /// Whether TCP connections are taken there.
    pub listens: bool,
    /// The Ethernet address of who takes it there; none on an `ifb`.
    pub neighbour: Option<[u8; 6]>,
}

impl Target {
    /// A UDP socket connected to the destination.
    pub fn socket(&self) -> anyhow::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).context("a UDP socket")?;
        socket.connect(&self.destination.into()).with_context(|| format!("reaching {}", self.destination))?;
        Ok(socket)
    }
}

/// A network namespace and the means to furnish it.
#[derive(Debug)]
pub struct Namespace {
    runtime: Runtime,
    netlink: Netlink,
    /// Veth pairs made so far: each has names and addresses of its own.
    pairs: Cell<u8>,
}

impl Namespace {
    /// Moves the calling thread into a new one.
    pub fn enter_new() -> anyhow::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context(
            "a network namespace of its own needs privilege: run as root (cargo xtask bench quick)",
        )?;
        let runtime = Builder::new_current_thread().enable_all().build().context("starting tokio")?;
        let netlink = runtime.block_on(async { Netlink::open() })?;
        Ok(Self { runtime, netlink, pairs: Cell::new(0) })
    }

    /// rtnetlink in this namespace.
    pub fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    /// Runs `work` to its end.
    pub fn run<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Makes the interface `ifbNUMBER`: an Ethernet device that frees every
    /// packet at once. With `gso_max_segs` 1 it takes no GSO packet, like a
    /// network card without UDP segmentation offload. It needs no peer, and no
    /// neighbour entry because it does not do ARP.
    pub fn sink(&self, number: u8) -> anyhow::Result<Target> {
        self.sink_of(number, 1)
    }

    /// The same with `segments` for `gso_max_segs`; [`UNLIMITED`] is a network card with segmentation offload.
    pub fn sink_of(&self, number: u8, segments: u32) -> anyhow::Result<Target> {
        self.sink_with(number, segments, 1)
    }

    /// The same with so many queues, each for the processor of its number, as network cards have them.
    pub fn sink_with(&self, number: u8, segments: u32, queues: u32) -> anyhow::Result<Target> {
        let name = format!("ifb{number}");
        let make = LinkIfb::new(&name)
            .append_extra_attribute(LinkAttribute::NumTxQueues(queues))
            .append_extra_attribute(LinkAttribute::TxQueueLen(QUEUE))
            .build();
        self.run(self.netlink.handle().link().add(make).execute())
            .with_context(|| format!("making {name} (is the kernel module ifb there?)"))?;
        let offload =
            LinkUnspec::new_with_name(&name).append_extra_attribute(LinkAttribute::GsoMaxSegs(segments));
        let link = self.bring_up(offload, &name, Ipv4Addr::new(10, 66, number, 1))?;
        ensure!(link.gso_max_segs == segments, "{name} takes GSO packets of {} segments", link.gso_max_segs);
        if queues > 1 {
            queues::one_for_each_processor(&name, queues)?;
        }
        let destination = (Ipv4Addr::new(10, 66, number, 2), PORT).into();
        Ok(Target { link, destination, listens: false, neighbour: None })
    }

    /// Packets that reached the `ifb` so far; a GSO packet counts as one.
    pub fn arrived(target: &Target) -> anyhow::Result<u64> {
        Ok(Self::received(target)?[1])
    }

    /// Octets behind the UDP header that reached the `ifb` so far, in packets without fragments.
    pub fn arrived_octets(target: &Target) -> anyhow::Result<u64> {
        let [octets, packets] = Self::received(target)?;
        Ok(octets - packets * HEADERS)
    }

    /// Octets, Ethernet headers among them, and packets.
    fn received(target: &Target) -> anyhow::Result<[u64; 2]> {
        let all = fs::read_to_string("/proc/thread-self/net/dev").context("/proc/thread-self/net/dev")?;
        received(&all, &target.link.name).with_context(|| format!("{} has no counters", target.link.name))
    }

    /// A veth pair into a second namespace, and who receives there what is sent to the target. Its near end takes GSO
    /// packets of so many segments.
    pub fn peer(&self, segments: u32) -> anyhow::Result<(Target, Peer)> {
        let (target, peer) = self.beyond(|_| Peer::here())?;
        let offload = LinkUnspec::new_with_index(target.link.index)
            .append_extra_attribute(LinkAttribute::GsoMaxSegs(segments));
        self.run(self.netlink.handle().link().set(offload.build()).execute()).context("gso_max_segs")?;
        Ok((Target { listens: true, ..target }, peer))
    }

    /// A receiver on a second host, to which packets come in order ([`Self::in_order`]).
    pub fn ordered_receiver(&self) -> anyhow::Result<(Target, UdpSocket, FarEnd)> {
        let (target, (socket, far_end)) = self.in_order(1, |interface| {
            Ok((receiver_socket()?, FarEnd { namespace: this_namespace()?, interface: interface.to_owned() }))
        })?;
        Ok((target, socket, far_end))
    }

    /// As [`Self::beyond`], with all packets of a socket in one of so many queues. By itself a veth queues packets on the
    /// processor that sent them, and what two of them sent one after the other may come the other way round: fq's timer
    /// lets go of a packet on one processor, the sender of the next one on another. With more than one queue each is
    /// for the processor of its number.
    pub fn in_order<T: Send + 'static>(
        &self,
        queues: u32,
        there: impl FnOnce(&str) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<(Target, T)> {
        let (target, made) = self.beyond(move |interface| {
            // NAPI's queue at the far end; merging UDP packets, what it is there for, needs a socket that asks for it.
            offload(interface, "gro", "on")?;
            channels(interface, "rx", queues)?;
            there(interface)
        })?;
        // A UDP packet goes there only from an end that does not segment TCP (veth.c: veth_skb_is_eligible_for_gro).
        offload(&target.link.name, "tso", "off")?;
        channels(&target.link.name, "tx", queues)?;
        if queues > 1 {
            queues::one_for_each_processor(&target.link.name, queues)?;
        }
        Ok((target, made))
    }

    /// A veth pair into a second namespace, and what `there` makes of its far end, given its name. What is made has to
    /// hold the namespace.
    pub fn beyond<T: Send + 'static>(
        &self,
        there: impl FnOnce(&str) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<(Target, T)> {
        let number = self.pairs.get();
        self.pairs.set(number.checked_add(1).context("more veth pairs than there are addresses")?);
        let [local, remote] = [1, 2].map(|end| Ipv4Addr::new(10, 67, number, end));
        let [near, far] = [0, 1].map(|end| format!("veth{}", 2 * u16::from(number) + end));
        let (to_us, from_peer) = mpsc::channel();
        let (to_peer, from_us) = mpsc::channel();
        let there_is = far.clone();
        let peer = thread::spawn(move || -> anyhow::Result<T> {
            let namespace = Self::enter_new()?;
            to_us.send(this_namespace()?)?;
            from_us.recv().context("no veth pair came")?;
            let known = LinkUnspec::new_with_name(&there_is).address(RECEIVER.to_vec());
            namespace.bring_up(known, &there_is, remote)?;
            there(&there_is)
        });
        if let Ok(namespace) = from_peer.recv() {
            self.veth(&near, &far, &namespace).context("making a veth pair")?;
            to_peer.send(())?;
        }
        let made = peer.join().expect("the receiver's thread does not panic")?;
        let link = self.bring_up(LinkUnspec::new_with_name(&near), &near, local)?;
        let neighbour = self.netlink.handle().neighbours().add(link.index, remote.into());
        self.run(neighbour.link_layer_address(&RECEIVER).execute())
            .context("the receiver's neighbour entry")?;
        Ok((
            Target { link, destination: (remote, PORT).into(), listens: false, neighbour: Some(RECEIVER) },
            made,
        ))
    }

    fn veth(&self, name: &str, peer: &str, namespace: &File) -> Result<(), rtnetlink::Error> {
        let away = LinkUnspec::new_with_name(peer).setns_by_fd(namespace.as_raw_fd()).build();
        self.run(async {
            self.netlink.handle().link().add(LinkVeth::new(name, peer).build()).execute().await?;
            self.netlink.handle().link().set(away).execute().await
        })
    }

    /// Brings an interface up with `settings` and `address`, silenced first:
    /// every packet there is to be the bench's, none IPv6's own.
    fn bring_up(
        &self,
        settings: LinkMessageBuilder<LinkUnspec>,
        name: &str,
        address: Ipv4Addr,
    ) -> anyhow::Result<Link> {
        let silent = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
        let silent = LinkUnspec::new_with_name(name)
            .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![silent]))
            .build();
        let handle = self.netlink.handle();
        let work = async {
            match handle.link().set(silent).execute().await {
                // No IPv6 on this host: nothing to silence.
                Err(error) if is_errno(&error, libc::EAFNOSUPPORT) => {}
                other => other?,
            }
            handle.link().set(settings.up().build()).execute().await?;
            let link = self.netlink.link_by_name(name).await?.context("it is gone")?;
            handle.address().add(link.index, IpAddr::V4(address), PREFIX).execute().await?;
            anyhow::Ok(link)
        };
        self.run(work).with_context(|| format!("bringing {name} up"))
    }
}

/// The receiver's namespace, for whoever is to join the receiver there.
#[derive(Debug)]
pub struct FarEnd {
    namespace: File,
    interface: String,
}

impl FarEnd {
    /// Lets a thread there do `work`, given the interface's name.
    pub fn within<T: Send>(&self, work: impl FnOnce(&str) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let there = || {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).context("joining the receiver's namespace")?;
            work(&self.interface)
        };
        thread::scope(|scope| scope.spawn(there).join().expect("the thread there does not panic"))
    }
}

/// That of the calling thread.
fn this_namespace() -> anyhow::Result<File> {
    File::open("/proc/thread-self/ns/net").context("/proc/thread-self/ns/net")
}

/// Lets each of an interface's `queues` hold so many packets. A veth hands over to a ring of 256 for its other end: behind
/// a queue it waits while the ring is full (since Linux 6.16), without one it drops.
pub fn queue(interface: &str, packets: u32, queues: u32) -> anyhow::Result<()> {
    let limit = packets.to_string();
    let mut tc =
        vec![["qdisc", "replace", "dev", interface, "root", "handle", "1:", "mq"].map(String::from).to_vec()];
    tc.extend((1..=queues).map(|queue| {
        let parent = format!("1:{queue:x}");
        ["qdisc", "replace", "dev", interface, "parent", &parent, "pfifo", "limit", &limit]
            .map(String::from)
            .to_vec()
    }));
    for words in tc {
        let output =
            Command::new("tc").args(words).output().context("cannot run tc (Debian package iproute2)")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{interface} gets no queue: {}", error.trim());
    }
    Ok(())
}

/// Gives an interface of the calling thread's namespace so many queues in one direction, `rx` or `tx`.
fn channels(interface: &str, direction: &str, queues: u32) -> anyhow::Result<()> {
    if queues == 1 {
        return Ok(());
    }
    ethtool(&["-L", interface, direction, &queues.to_string()])
}

/// Switches an offload of an interface in the calling thread's namespace.
fn offload(interface: &str, which: &str, state: &str) -> anyhow::Result<()> {
    ethtool(&["-K", interface, which, state])
}

fn ethtool(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ethtool").args(words).output();
    let output = output.context("cannot run ethtool (Debian package ethtool)")?;
    ensure!(output.status.success(), "ethtool: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// In the namespace of the calling thread.
fn receiver_socket() -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("the receiver's socket")?;
    setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).context("SO_RCVBUFFORCE")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// The first two numbers of an interface's line in `/proc/net/dev`: octets and packets that
/// it received, which for an `ifb` are those that were sent to it.
fn received(all: &str, interface: &str) -> Option<[u64; 2]> {
    let counters =
        all.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let mut counters = counters.split_whitespace().map(|counter| counter.parse().ok());
    Some([counters.next()??, counters.next()??])
}

#[cfg(test)]
mod tests {
    use super::received;

    #[test]
    fn packets_are_read_from_the_interface_s_own_line() {
        let all = "Inter-|   Receive  |  Transmit\n face |bytes packets errs|bytes packets\n\
                   \u{20} ifb1: 10 20 0 0 0 0 0 0 1 2 0\n ifb10:30 40 0 0 0 0 0 0 3 4 0\n";
        for (interface, expected) in
            [("ifb1", Some([10, 20])), ("ifb10", Some([30, 40])), ("ifb", None), ("eth0", None)]
        {
            assert_eq!(received(all, interface), expected, "{interface}");
        }
    }
}
