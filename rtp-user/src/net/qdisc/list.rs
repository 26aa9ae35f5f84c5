//! The qdiscs of an interface, as the kernel lists them.

use crate::net::netlink::{Netlink, NetlinkError};
use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::{
    packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla},
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcHandle, TcMessage, TcStats2, TcXstats},
    },
};

/// `TCA_OPTIONS` (linux/rtnetlink.h).
pub const TCA_OPTIONS: u16 = 2;
/// Octets of an attribute's own header.
const NLA_HEADER: usize = 4;

/// One qdisc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qdisc {
    /// What it hangs on: the root, or a class of another one.
    pub parent: TcHandle,
    /// Its own handle; zero: nobody configured it, the kernel chose it.
    pub handle: TcHandle,
    /// `fq`, `pfifo`, …
    pub kind: String,
    /// What is in its `TCA_OPTIONS`; empty: nothing.
    pub options: Vec<u8>,
    /// Whether tc filters hang on it, which go with it. Known where it was asked for ([`look_for_filters`]).
    pub has_filters: bool,
    /// Packets that it dropped (the kernel counts 32 bits).
    pub drops: u32,
    /// Its own kind's statistics (`TCA_STATS_APP`).
    pub app: Vec<u8>,
}

/// Those of interface `index`.
pub async fn of(netlink: &Netlink, index: u32) -> Result<Vec<Qdisc>, NetlinkError> {
    let qdiscs = netlink.handle().qdisc().get().execute();
    let mut qdiscs: Vec<TcMessage> =
        qdiscs.try_collect().await.map_err(NetlinkError::refused("listing the qdiscs"))?;
    // The kernel lists those of all interfaces.
    qdiscs.retain(|qdisc| qdisc.header.index == index.cast_signed());
    Ok(qdiscs.iter().map(Qdisc::from_message).collect())
}

/// Sees which of the qdiscs of interface `index` have tc filters.
pub async fn look_for_filters(
    netlink: &Netlink,
    index: u32,
    qdiscs: &mut [Qdisc],
) -> Result<(), NetlinkError> {
    // Zero is the root's address where nobody configured it; others have none then.
    for qdisc in qdiscs.iter_mut().filter(|qdisc| qdisc.is_root() || qdisc.is_configured()) {
        let mut message = TcMessage::with_index(index.cast_signed());
        message.header.parent = qdisc.handle;
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetTrafficFilter(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let refused = NetlinkError::refused("listing the filters");
        let mut answers = netlink.handle().clone().request(request).map_err(refused)?;
        while let Some(answer) = answers.next().await {
            qdisc.has_filters |= matches!(
                answer.payload,
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(_))
            );
        }
    }
    Ok(())
}

impl Qdisc {
    /// Whether it is what packets come to first. (The ingress hook's is not.)
    pub fn is_root(&self) -> bool {
        self.parent == TcHandle::ROOT
    }

    /// Whether somebody configured it.
    pub fn is_configured(&self) -> bool {
        self.handle != TcHandle::UNSPEC
    }

    /// From the kernel's answer.
    pub fn from_message(message: &TcMessage) -> Self {
        let mut qdisc = Self {
            parent: message.header.parent,
            handle: message.header.handle,
            kind: String::new(),
            options: Vec::new(),
            has_filters: false,
            drops: 0,
            app: Vec::new(),
        };
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => qdisc.kind.clone_from(kind),
                TcAttribute::Options(_) => qdisc.options = raw_options(attribute),
                TcAttribute::Stats2(stats) => qdisc.count(stats),
                _ => {}
            }
        }
        qdisc
    }

    fn count(&mut self, stats: &[TcStats2]) {
        for stat in stats {
            match stat {
                TcStats2::Queue(queue) => self.drops = queue.drops,
                TcStats2::App(TcXstats::Other(octets)) => self.app.clone_from(octets),
                _ => {}
            }
        }
    }
}

/// What was in `TCA_OPTIONS`, octet for octet. Options of a kind that the
/// parser does not know come as one option that is the whole attribute again.
fn raw_options(attribute: &TcAttribute) -> Vec<u8> {
    let mut octets = vec![0; attribute.value_len()];
    attribute.emit_value(&mut octets);
    let TcAttribute::Options(options) = attribute else {
        return octets;
    };
    match options.as_slice() {
        [only] if only.kind() & 0x3fff == TCA_OPTIONS && only.buffer_len() == octets.len() => {
            octets[NLA_HEADER..NLA_HEADER + only.value_len()].to_vec()
        }
        _ => octets,
    }
}
