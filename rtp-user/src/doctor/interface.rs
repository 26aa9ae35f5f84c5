//! What one interface can do.

use crate::{
    kernel::{hang::Hook, object::EGRESS, pins::Pins, segmenter},
    net::{
        netlink::{Link, Netlink, NetlinkError},
        offload,
        qdisc::{self, Departures},
    },
};
use aya::programs::{SchedClassifier, TcAttachType};
use futures_util::TryStreamExt;
use rtnetlink::packet_route::tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption};

/// What was found out.
#[derive(Clone, Debug)]
pub struct Interface {
    /// What rtnetlink says of it.
    pub link: Link,
    /// Why it takes no segmenter, if it does not.
    pub unfit: Option<String>,
    /// Its queueing.
    pub queueing: Queueing,
    /// Whether packets leave at their departure times.
    pub departures: Departures,
    /// What it does for the sender; none: not known.
    pub offload: Option<Offload>,
    /// Programs and filters on its egress, krtp's left out; none: not visible.
    pub others: Option<Vec<String>>,
    /// Whether krtp is on it.
    pub krtp: Presence,
}

/// The qdiscs of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queueing {
    /// The root's kind.
    pub root: String,
    /// The kinds below it, each once.
    pub leaves: Vec<String>,
}

/// What a device does that the kernel would do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// UDP checksums, of IPv4 and IPv6.
    pub checksum: bool,
    /// UDP segmentation.
    pub segmentation: bool,
}

/// Whether the krtp program is on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Not visible.
    Unknown,
    /// It is not.
    None,
    /// A stream put it there.
    Stream,
    /// `krtp attach` did; whether with a segmenter.
    Attached {
        /// Whether there is one.
        segmenter: bool,
    },
}

impl Interface {
    /// Looks at `link`.
    pub async fn look(netlink: &Netlink, link: Link) -> Result<Self, NetlinkError> {
        let on_egress = on_egress(netlink, &link).await;
        let is_ours = |name: &String| name == EGRESS;
        let krtp = if Pins::of(&link).is_ok_and(|pins| pins.is_current()) {
            Presence::Attached { segmenter: segmenter::attached(netlink, link.index).await?.is_some() }
        } else {
            match &on_egress {
                None => Presence::Unknown,
                Some(names) if names.iter().any(is_ours) => Presence::Stream,
                Some(_) => Presence::None,
            }
        };
        Ok(Self {
            unfit: segmenter::unfit(&link),
            queueing: queueing(netlink, &link).await,
            departures: departures(netlink, &link).await,
            offload: Offload::of(&link.name),
            others: on_egress.map(|names| names.into_iter().filter(|name| !is_ours(name)).collect()),
            krtp,
            link,
        })
    }
}

impl Queueing {
    fn of(root: &str, qdiscs: &[TcMessage]) -> Self {
        let mut leaves: Vec<String> = qdiscs
            .iter()
            .filter(|qdisc| !matches!(qdisc.header.parent, TcHandle::ROOT | TcHandle::CLSACT))
            .filter_map(|qdisc| kind(qdisc).map(str::to_owned))
            .collect();
        leaves.sort();
        leaves.dedup();
        Self { root: root.to_owned(), leaves }
    }
}

/// A kernel that does not list its qdiscs still names the root.
async fn queueing(netlink: &Netlink, link: &Link) -> Queueing {
    let qdiscs = netlink.handle().qdisc().get().execute();
    let mut qdiscs: Vec<TcMessage> = qdiscs.try_collect().await.unwrap_or_default();
    // The kernel lists those of all interfaces.
    qdiscs.retain(|qdisc| qdisc.header.index == link.index.cast_signed());
    Queueing::of(&link.qdisc, &qdiscs)
}

/// The same kernel keeps no departure times.
async fn departures(netlink: &Netlink, link: &Link) -> Departures {
    let refused = |error: NetlinkError| Departures::NotKept { why: error.to_string() };
    qdisc::departures(netlink, link).await.unwrap_or_else(refused)
}

/// What is on the egress of `link`: tcx programs, and the filters of a clsact qdisc.
async fn on_egress(netlink: &Netlink, link: &Link) -> Option<Vec<String>> {
    let mut names = match Hook::of_this_kernel() {
        Hook::Tcx => tcx(&link.name)?,
        Hook::Clsact => Vec::new(),
    };
    let filters = netlink.handle().traffic_filter(link.index.cast_signed()).get().egress().execute();
    // Without a clsact qdisc there is nothing to list.
    let filters: Vec<TcMessage> = filters.try_collect().await.unwrap_or_default();
    names.extend(filters.iter().filter_map(filter_name));
    names.dedup();
    Some(names)
}

fn tcx(interface: &str) -> Option<Vec<String>> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Egress).ok()?;
    let name = |name: Option<&str>| name.filter(|name| !name.is_empty()).unwrap_or("(no name)").to_owned();
    Some(programs.iter().map(|program| name(program.name_as_str())).collect())
}

/// The program's name of a BPF filter, without the section that `tc` may put
/// behind it; of others their kind.
fn filter_name(filter: &TcMessage) -> Option<String> {
    let options = filter.attributes.iter().filter_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    });
    let program = options.flatten().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => Some(name.as_str()),
        _ => None,
    });
    program.or_else(|| kind(filter)).map(str::to_owned)
}

fn kind(message: &TcMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    })
}

impl Offload {
    /// What the driver says, if it says anything.
    fn of(interface: &str) -> Option<Self> {
        let checksum = offload::checksums(interface).ok()?;
        let segmentation = offload::segmentation(interface).ok()?;
        Some(Self { checksum, segmentation })
    }
}

#[cfg(test)]
mod tests {
    use super::{Queueing, filter_name};
    use rtnetlink::packet_route::tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption};

    fn message(parent: TcHandle, kind: &str) -> TcMessage {
        let mut message = TcMessage::default();
        message.header.parent = parent;
        message.attributes = vec![TcAttribute::Kind(kind.into())];
        message
    }

    #[test]
    fn what_is_below_the_root_is_named_once() {
        let leaf = TcHandle { major: 1, minor: 1 };
        let mut qdiscs = vec![message(TcHandle::ROOT, "mq"), message(TcHandle::CLSACT, "clsact")];
        qdiscs.extend(["fq", "pfifo_fast", "fq"].map(|kind| message(leaf, kind)));
        let expected = Queueing { root: "mq".into(), leaves: vec!["fq".into(), "pfifo_fast".into()] };
        assert_eq!(Queueing::of("mq", &qdiscs), expected);
    }

    #[test]
    fn filters_have_the_name_of_their_program() {
        let plain = message(TcHandle::CLSACT, "u32");
        assert_eq!(filter_name(&plain).as_deref(), Some("u32"));
        let mut bpf = message(TcHandle::CLSACT, "bpf");
        let name = TcOption::Bpf(TcFilterBpfOption::ProgName("cil_to_netdev".into()));
        bpf.attributes.push(TcAttribute::Options(vec![name]));
        assert_eq!(filter_name(&bpf).as_deref(), Some("cil_to_netdev"));
        assert_eq!(filter_name(&TcMessage::default()), None);
    }
}
