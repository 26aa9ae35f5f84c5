//! From options to flows: the way each destination takes, the engine, the
//! sockets. Everything that can be refused is refused here, before a packet.

use super::{EngineChoice, Options};
use crate::{
    engine::{
        Checksum, Flow, Setting,
        kernel::{KernelFlow, LONGEST_PAYLOAD, Path},
        user::UserFlow,
    },
    kernel::attach::{Attachment, Hook},
    line::one_line,
    media::{Media, plan::Plan},
    net::{
        netlink::{Link, Netlink},
        route::{self, NextHop},
        socket::{self, FlowSocket, overhead},
    },
    sdp,
    stop::Stop,
};
use anyhow::{Context, Result, bail, ensure};
use aya_log::EbpfLogger;
use rand::Rng;
use std::{
    collections::BTreeMap,
    future::pending,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::io::unix::AsyncFd;

/// How long a full send buffer may hold a send up before a stop is noticed.
const SEND_PATIENCE: Duration = Duration::from_millis(500);

/// Everything that is ready to play.
pub(super) struct Setup {
    pub flows: Vec<Box<dyn Flow>>,
    pub facts: Facts,
    /// Which engine, and why, in one line.
    pub choice: String,
    pub needs_sums: bool,
    /// Timestamp of the first packet of each flow.
    pub timestamp: u32,
    pub log: Log,
}

/// What the report says of the set-up.
#[derive(Debug)]
pub(super) struct Facts {
    pub engine: &'static str,
    pub path: String,
    pub flows: Vec<FlowFacts>,
}

#[derive(Debug)]
pub(super) struct FlowFacts {
    pub destination: SocketAddr,
    pub source: SocketAddr,
    pub interface: String,
    pub setting: Setting,
    pub timestamp: u32,
}

/// One destination and its way.
struct Way {
    destination: SocketAddr,
    link: Link,
    /// Who has to answer, where somebody has to.
    next_hop: Option<NextHop>,
}

/// Sets everything up; nothing has been sent when it returns.
pub(super) async fn prepare(
    netlink: &Netlink,
    options: &Options,
    media: &Media,
    plan: &Plan,
    stop: &Stop,
) -> Result<Setup> {
    check_options(options)?;
    let mut ways = Vec::new();
    for &destination in &options.to {
        let way = find_way(netlink, options, destination).await?;
        check_payload(&way, media)?;
        ways.push(way);
    }
    let mut kernel = match options.engine {
        EngineChoice::User => Err("asked for".to_owned()),
        choice => match try_kernel(netlink, &ways, plan).await {
            Err(error) if choice == EngineChoice::Kernel => {
                return Err(error.context("no kernel engine (--engine user goes without)"));
            }
            other => other.map_err(|error| one_line(&error)),
        },
    };
    let timestamp = options.timestamp.unwrap_or_else(|| rand::rng().random());
    let mut flows: Vec<Box<dyn Flow>> = Vec::new();
    for (number, way) in ways.iter().enumerate() {
        let socket = open_socket(options, way, kernel.is_ok())?;
        let setting = setting(options, media, number);
        let flow: Box<dyn Flow> = match &kernel {
            Ok(kernel) => Box::new(kernel.open(way, socket, setting, stop)?),
            Err(_) => Box::new(
                UserFlow::open(socket, setting, stop.clone()).with_context(|| way.destination.to_string())?,
            ),
        };
        flows.push(flow);
    }
    let interface = |flow: usize| ways[flow].link.name.clone();
    let flow_facts = flows.iter().enumerate().map(|(number, flow)| FlowFacts {
        destination: flow.destination(),
        source: flow.source(),
        interface: interface(number),
        setting: *flow.setting(),
        timestamp,
    });
    let (engine, path) = match &kernel {
        Ok(kernel) => ("kernel", kernel.describe()),
        Err(why) => ("user", why.clone()),
    };
    let choice = match &kernel {
        Ok(_) => format!("kernel engine on {}: {path}", interface(0)),
        Err(_) => format!("user engine on {}: {path}", interface(0)),
    };
    let facts = Facts { engine, path, flows: flow_facts.collect() };
    let log = Log::of(kernel.as_mut().ok());
    let log = Log { kernel: kernel.ok(), ..log };
    let needs_sums = engine == "kernel" && options.checksum == Checksum::Full;
    Ok(Setup { flows, facts, choice, needs_sums, timestamp, log })
}

fn check_options(options: &Options) -> Result<()> {
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

/// Interface and next hop of `destination`, looked at in the order in which a
/// person would mend them.
async fn find_way(netlink: &Netlink, options: &Options, destination: SocketAddr) -> Result<Way> {
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
    let route = route::find(netlink, destination.ip(), named.map(|link| link.index)).await?;
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

fn check_payload(way: &Way, media: &Media) -> Result<()> {
    let Way { destination, link, .. } = way;
    let room = link.mtu.saturating_sub(overhead(destination.is_ipv6()));
    if media.payload <= room {
        return Ok(());
    }
    let largest = room / unit(media) * unit(media);
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

/// Octets of what a payload holds whole numbers of.
fn unit(media: &Media) -> u32 {
    if media.encoding == Some("MP2T") { 188 } else { 1 }
}

/// A flow of the kernel engine stays on the interface that has the program,
/// whatever becomes of the routes: elsewhere it would leave without headers.
fn open_socket(options: &Options, way: &Way, kernel: bool) -> Result<FlowSocket> {
    let stay = kernel || options.interface.is_some();
    let socket = FlowSocket::open(&socket::Options {
        destination: way.destination,
        source: options.source,
        interface: stay.then(|| (way.link.name.clone(), way.link.index)),
        ttl: options.ttl,
        dscp: options.dscp,
    })?;
    socket.sock_ref().set_write_timeout(Some(SEND_PATIENCE))?;
    Ok(socket)
}

fn setting(options: &Options, media: &Media, number: usize) -> Setting {
    let mut random = rand::rng();
    Setting {
        ssrc: options.ssrc.filter(|_| number == 0).unwrap_or_else(|| random.random()),
        first_sequence: options.sequence.unwrap_or_else(|| random.random()),
        payload_type: media.payload_type,
        clock_rate: media.clock_rate,
        payload: media.payload,
        unit: unit(media),
        checksum: options.checksum,
    }
}

/// The kernel engine on every interface of a stream.
struct Kernel {
    /// By interface index.
    interfaces: BTreeMap<u32, Hung>,
}

/// The program on one interface.
struct Hung {
    attachment: Attachment,
    pinned: bool,
}

async fn try_kernel(netlink: &Netlink, ways: &[Way], plan: &Plan) -> Result<Kernel> {
    ensure!(
        plan.payload() <= LONGEST_PAYLOAD,
        "a payload of {} octets is too long for it (at most {LONGEST_PAYLOAD})",
        plan.payload()
    );
    crate::kernel::check_version()?;
    let mut interfaces = BTreeMap::new();
    for way in ways {
        let link = &way.link;
        ensure!(link.ethernet, "{} has no Ethernet headers", link.name);
        if interfaces.contains_key(&link.index) {
            continue;
        }
        let flows = ways.iter().filter(|other| other.link.index == link.index).count();
        let hung = match Attachment::pinned(netlink, link).await? {
            Some(attachment) => Hung { attachment, pinned: true },
            None => {
                Hung { attachment: Attachment::for_now(netlink, link, flows as u32).await?, pinned: false }
            }
        };
        interfaces.insert(link.index, hung);
    }
    Ok(Kernel { interfaces })
}

impl Kernel {
    fn open(&self, way: &Way, socket: FlowSocket, setting: Setting, stop: &Stop) -> Result<KernelFlow> {
        let Hung { attachment, .. } = &self.interfaces[&way.link.index];
        let path = Path {
            interface: way.link.index,
            segmenter: attachment.segmenter.as_ref().ok().copied(),
            next_hop: way.next_hop,
        };
        let flow = KernelFlow::open(&attachment.maps, socket, setting, path, stop.clone());
        flow.with_context(|| format!("{} on {}", way.destination, way.link.name))
    }

    /// How packets go, in a few words: of the first interface.
    fn describe(&self) -> String {
        let hung = self.interfaces.values().next().expect("a stream has a destination");
        let hook = Hook::of_this_kernel().name();
        let pinned = if hung.pinned { ", attached before" } else { "" };
        match &hung.attachment.segmenter {
            Ok(_) => format!("{hook}, batches through the segmenter{pinned}"),
            Err(why) => format!("{hook}, one datagram per sendfile because {why}{pinned}"),
        }
    }
}

impl Setup {
    /// The session description of all flows.
    pub fn describe(&self, media: &Media, options: &Options) -> Result<String> {
        // An NTP timestamp in seconds makes a session id (RFC 8866 §5.2).
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 2_208_988_800;
        let flows = self.facts.flows.iter().map(|flow| sdp::Flow {
            destination: flow.destination,
            ttl: options.ttl,
            source: Some(flow.source.ip()),
            payload_type: media.payload_type,
            clock_rate: media.clock_rate,
            encoding: media.encoding,
            ssrc: flow.setting.ssrc,
            cname: None,
        });
        let description = sdp::Description {
            session: now,
            version: now,
            origin: self.facts.flows[0].source.ip(),
            name: options
                .file
                .file_name()
                .map_or_else(|| "krtp".into(), |name| name.to_string_lossy().into_owned()),
            flows: flows.collect(),
        };
        Ok(sdp::describe(&description)?)
    }
}

/// The program's log lines, and what keeps the program on its interfaces.
pub(super) struct Log {
    logger: Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>,
    #[expect(dead_code, reason = "held for its drop: the program goes when the stream has ended")]
    kernel: Option<Kernel>,
}

impl Log {
    fn of(kernel: Option<&mut Kernel>) -> Self {
        let logger = kernel
            .and_then(|kernel| kernel.interfaces.values_mut().next())
            .and_then(|hung| hung.attachment.ebpf())
            .and_then(|ebpf| EbpfLogger::init(ebpf).ok())
            // SAFETY: the logger keeps its one ring buffer, and with it the
            // descriptor, as long as it lives, which is inside the `AsyncFd`.
            .and_then(|logger| unsafe { AsyncFd::register(logger) }.ok());
        Self { logger, kernel: None }
    }

    /// Shows what the program has to say, when it has; else waits for ever.
    pub async fn show(&mut self) {
        let Some(logger) = &mut self.logger else {
            return pending().await;
        };
        if let Ok(mut ready) = logger.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}
