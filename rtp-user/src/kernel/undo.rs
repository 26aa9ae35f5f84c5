//! What krtp put on the host and how it is taken away again: netlink requests
//! encoded beforehand, so that they can be sent from anywhere, also by a
//! process that may not allocate ([`super::guard`]).

use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::LinkMessage,
        tc::{TcHandle, TcMessage},
    },
};
use rustix::{
    fd::{AsFd, OwnedFd},
    net::{self, AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType},
};

/// Answer to a dump of filters: one filter.
const RTM_NEWTFILTER: u16 = 44;
/// End of a dump; an error or an acknowledgement.
const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;

/// One step of undoing.
#[derive(Clone, Debug)]
enum Step {
    /// Send the request; what it removes may be gone already.
    Remove(Vec<u8>),
    /// Send the dump request; end here if it finds a filter (another's).
    EndIfAnyFilter(Vec<u8>),
}

/// What is to be undone, in order.
#[derive(Clone, Debug, Default)]
pub struct Undo(Vec<Step>);

impl Undo {
    /// Removes the interface `index` (a segmenter).
    #[must_use]
    pub fn link(mut self, index: u32) -> Self {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.0.push(Step::Remove(encode(RouteNetlinkMessage::DelLink(message), NLM_F_ACK)));
        self
    }

    /// Removes our clsact filter of `interface`'s egress.
    #[must_use]
    pub fn filter(mut self, interface: u32, priority: u16, handle: u32) -> Self {
        let mut message = egress(interface, TcHandle::MIN_EGRESS);
        message.header.handle = handle.into();
        // tcm_info: priority, and the protocol in network order (ETH_P_ALL).
        message.header.info = (u32::from(priority) << 16) | u32::from(3u16.to_be());
        self.0.push(Step::Remove(encode(RouteNetlinkMessage::DelTrafficFilter(message), NLM_F_ACK)));
        self
    }

    /// Removes the clsact qdisc of `interface`, unless others have filters there.
    #[must_use]
    pub fn clsact(mut self, interface: u32) -> Self {
        for minor in [TcHandle::MIN_INGRESS, TcHandle::MIN_EGRESS] {
            let dump = RouteNetlinkMessage::GetTrafficFilter(egress(interface, minor));
            self.0.push(Step::EndIfAnyFilter(encode(dump, NLM_F_DUMP)));
        }
        let mut message = TcMessage::with_index(interface.cast_signed());
        message.header.parent = TcHandle::CLSACT;
        message.header.handle = TcHandle { major: u16::MAX, minor: 0 };
        self.0.push(Step::Remove(encode(RouteNetlinkMessage::DelQueueDiscipline(message), NLM_F_ACK)));
        self
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens the socket that [`Self::run`] speaks through.
    pub fn socket() -> rustix::io::Result<OwnedFd> {
        // Protocol zero is NETLINK_ROUTE.
        net::socket_with(Family::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
    }

    /// Takes the steps. Allocates nothing and takes no lock: it is also run by
    /// a forked child of a process with threads.
    pub fn run(&self, socket: impl AsFd) {
        for step in &self.0 {
            match step {
                Step::Remove(request) => {
                    send(&socket, request);
                    let _ = find_filter(&socket);
                }
                Step::EndIfAnyFilter(request) => {
                    send(&socket, request);
                    if find_filter(&socket) {
                        return;
                    }
                }
            }
        }
    }
}

fn egress(interface: u32, minor: u16) -> TcMessage {
    let mut message = TcMessage::with_index(interface.cast_signed());
    message.header.family = AddressFamily::Unspec;
    message.header.parent = TcHandle { major: u16::MAX, minor };
    message
}

fn encode(request: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// A failure shows in what is left behind; there is nobody to tell here.
fn send(socket: impl AsFd, request: &[u8]) {
    let _ = net::send(socket, request, SendFlags::empty());
}

/// Reads the answers up to the end of the dump or the acknowledgement; whether
/// a filter was among them.
fn find_filter(socket: impl AsFd) -> bool {
    let mut buffer = [0u8; 8192];
    let mut found = false;
    loop {
        let Ok((read, _)) = net::recv(&socket, &mut buffer[..], RecvFlags::empty()) else {
            return found;
        };
        let mut rest = &buffer[..read];
        // nlmsghdr: 32-bit length, 16-bit type, … in host order; messages are
        // padded to four octets.
        while let [a, b, c, d, e, f, ..] = *rest {
            let length = u32::from_ne_bytes([a, b, c, d]) as usize;
            match u16::from_ne_bytes([e, f]) {
                NLMSG_DONE | NLMSG_ERROR => return found,
                RTM_NEWTFILTER => found = true,
                _ => {}
            }
            rest = rest.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
