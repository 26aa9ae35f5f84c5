//! What krtp put on the host and how it is taken away again: netlink requests
//! encoded beforehand, so that they can be sent from anywhere, also by a
//! process that may not allocate ([`super::guard`]).

use super::record::{LONGEST, MARK_LEN, Record, encode};
use aya::programs::TcAttachType;
use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage},
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::LinkMessage,
        tc::{TcHandle, TcMessage},
    },
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{FlockOperation, flock},
    io::pread,
    net::{self, AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType},
};

/// Answer to a dump of filters: one filter.
const RTM_NEWTFILTER: u16 = 44;
/// End of a dump; an error or an acknowledgement.
const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;

/// The handle of our filters on a clsact qdisc that is krtp's making (`krtp`). Who hangs a filter beside one of them
/// takes the qdisc over as well, and the last to go takes it away.
pub const WITH_CLSACT: u32 = u32::from_be_bytes(*b"krtp");

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
pub struct Undo {
    steps: Vec<Step>,
    /// At last: what krtp wrote down when it put a qdisc there.
    record: Option<Record>,
}

/// What the kernel answered.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// A filter was in it.
    filter: bool,
    /// One of those that say that their clsact qdisc is ours.
    with_clsact: bool,
    /// Zero, or the negative error number.
    error: i32,
}

impl Undo {
    /// Removes the interface `index` (a segmenter).
    #[must_use]
    pub fn link(mut self, index: u32) -> Self {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.steps.push(Step::Remove(request(RouteNetlinkMessage::DelLink(message), NLM_F_ACK)));
        self
    }

    /// Removes our clsact filter of `interface`'s egress or ingress.
    #[must_use]
    pub fn filter(mut self, interface: u32, direction: TcAttachType, priority: u16, handle: u32) -> Self {
        let ingress = direction == TcAttachType::Ingress;
        let minor = if ingress { TcHandle::MIN_INGRESS } else { TcHandle::MIN_EGRESS };
        let mut message = filters(interface, minor);
        message.header.handle = handle.into();
        // tcm_info: priority, and the protocol in network order (ETH_P_ALL).
        message.header.info = (u32::from(priority) << 16) | u32::from(3u16.to_be());
        self.steps.push(Step::Remove(request(RouteNetlinkMessage::DelTrafficFilter(message), NLM_F_ACK)));
        self
    }

    /// Removes the clsact qdisc of `interface`, unless there are filters (another krtp's, or others').
    #[must_use]
    pub fn clsact(mut self, interface: u32) -> Self {
        self.steps.extend(listings(interface).map(Step::EndIfAnyFilter));
        let mut message = TcMessage::with_index(interface.cast_signed());
        message.header.parent = TcHandle::CLSACT;
        message.header.handle = TcHandle { major: u16::MAX, minor: 0 };
        self.steps.push(Step::Remove(request(RouteNetlinkMessage::DelQueueDiscipline(message), NLM_F_ACK)));
        self
    }

    /// Puts back what `record` says, if nobody else holds it.
    #[must_use]
    pub fn qdisc(mut self, record: Record) -> Self {
        self.record = Some(record);
        self
    }

    /// Whether there is nothing to undo.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.record.is_none()
    }

    /// The descriptor that [`Self::run_with`] needs.
    pub fn record(&self) -> Option<BorrowedFd<'_>> {
        self.record.as_ref().map(Record::as_fd)
    }

    /// Opens the socket that [`Self::run`] speaks through.
    pub fn socket() -> rustix::io::Result<OwnedFd> {
        // Protocol zero is NETLINK_ROUTE.
        net::socket_with(Family::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
    }

    /// Takes the steps.
    pub fn run(&self, socket: impl AsFd) {
        self.run_with(socket, self.record());
    }

    /// The same with the record's descriptor, whose number may have changed.
    /// Allocates nothing and takes no lock of this process: it is also run by
    /// a forked child of a process with threads.
    pub fn run_with(&self, socket: impl AsFd, record: Option<BorrowedFd<'_>>) {
        for step in &self.steps {
            match step {
                Step::Remove(request) => {
                    ask(&socket, request);
                }
                Step::EndIfAnyFilter(request) => {
                    if ask(&socket, request).filter {
                        break;
                    }
                }
            }
        }
        if let (Some(descriptor), Some(record)) = (record, &self.record) {
            put_back(&socket, descriptor, record);
        }
    }
}

/// Sends what `record` holds, unless another process or `krtp attach` holds it
/// too, and removes it.
fn put_back(socket: impl AsFd, descriptor: BorrowedFd<'_>, record: &Record) {
    // Every holder has it locked shared. Of several that end at once one gets
    // it for itself: a shared lock is given up before the other is asked for.
    if flock(descriptor, FlockOperation::NonBlockingLockExclusive).is_err() || Record::is_pinned(descriptor) {
        return;
    }
    let mut buffer = [0u8; LONGEST];
    let mut offset = MARK_LEN;
    while let Ok(read) = pread(descriptor, &mut buffer[..], offset) {
        // nlmsghdr begins with the message's length.
        let Some(length) = buffer[..read].first_chunk().map(|octets| u32::from_ne_bytes(*octets)) else {
            break;
        };
        let request = buffer.get(..length as usize).filter(|_| (16..=read).contains(&(length as usize)));
        // Where one fails, somebody else has changed things since.
        if request.is_none_or(|request| ask(&socket, request).error != 0) {
            break;
        }
        offset += u64::from(length);
    }
    record.remove();
}

/// Whether a filter of `interface` says that the clsact qdisc is krtp's making.
pub fn is_clsact_ours(interface: u32) -> rustix::io::Result<bool> {
    let socket = Undo::socket()?;
    Ok(listings(interface).any(|dump| ask(&socket, &dump).with_clsact))
}

/// Requests for the filters on both sides of `interface`.
fn listings(interface: u32) -> impl Iterator<Item = Vec<u8>> {
    [TcHandle::MIN_INGRESS, TcHandle::MIN_EGRESS].into_iter().map(move |minor| {
        request(RouteNetlinkMessage::GetTrafficFilter(filters(interface, minor)), NLM_F_DUMP)
    })
}

fn filters(interface: u32, minor: u16) -> TcMessage {
    let mut message = TcMessage::with_index(interface.cast_signed());
    message.header.family = AddressFamily::Unspec;
    message.header.parent = TcHandle { major: u16::MAX, minor };
    message
}

fn request(request: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    encode(message)
}

/// Sends a request and reads the answers up to the end of the dump or the
/// acknowledgement. A failure shows in what is left behind; there is nobody to
/// tell here.
fn ask(socket: impl AsFd, request: &[u8]) -> Answer {
    let mut buffer = [0u8; LONGEST];
    let mut answer = Answer::default();
    if net::send(&socket, request, SendFlags::empty()).is_err() {
        return Answer { error: -libc::EIO, ..answer };
    }
    loop {
        let Ok((read, _)) = net::recv(&socket, &mut buffer[..], RecvFlags::empty()) else {
            return Answer { error: -libc::EIO, ..answer };
        };
        let mut rest = &buffer[..read];
        // nlmsghdr: 32-bit length, 16-bit type, … in host order; messages are
        // padded to four octets.
        while let [a, b, c, d, e, f, ..] = *rest {
            let length = u32::from_ne_bytes([a, b, c, d]) as usize;
            match u16::from_ne_bytes([e, f]) {
                NLMSG_DONE => return answer,
                NLMSG_ERROR => {
                    let error = rest.get(16..).and_then(|rest| rest.first_chunk());
                    return Answer { error: error.map_or(0, |octets| i32::from_ne_bytes(*octets)), ..answer };
                }
                RTM_NEWTFILTER => {
                    answer.filter = true;
                    // tcmsg begins with the family, padded, and the interface; then comes the handle.
                    let handle = rest.get(16 + 8..).and_then(<[u8]>::first_chunk);
                    answer.with_clsact |=
                        handle.is_some_and(|octets| u32::from_ne_bytes(*octets) == WITH_CLSACT);
                }
                _ => {}
            }
            rest = rest.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
