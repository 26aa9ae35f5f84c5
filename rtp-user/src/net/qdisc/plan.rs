//! What is to be done so that an interface keeps departure times, and how it is
//! undone: decisions alone, as requests to the kernel.

use super::{
    Qdisc,
    fq::{Fq, Limits, Load},
    list::TCA_OPTIONS,
};
use rtnetlink::{
    packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage},
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcHandle, TcMessage, TcOption},
    },
};

/// The handle of every root qdisc that krtp makes: `kr`.
pub const OURS: TcHandle = TcHandle { major: 0x6b72, minor: 0 };

/// Kinds that can be put back from what the kernel says of them, and whose
/// absence changes nothing that somebody relies on. All others have classes
/// that we do not see into, or limit the rate.
const PUT_BACK: [&str; 11] = [
    "pfifo",
    "bfifo",
    "pfifo_head_drop",
    "pfifo_fast",
    "noqueue",
    "codel",
    "fq_codel",
    "pie",
    "fq_pie",
    "sfq",
    "fq",
];

/// A request to the kernel.
pub type Request = NetlinkMessage<RouteNetlinkMessage>;

/// What to send, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To have departure times kept; empty: they are, and the load fits.
    pub make: Vec<Request>,
    /// To have it as it was; to be given up where one of them fails, for then
    /// somebody else has changed things. Empty: as for what krtp made before.
    pub back: Vec<Request>,
}

/// Why krtp leaves an interface's qdiscs alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody's own.
    #[error(
        "{interface} has a configured qdisc {kind} {handle:x}:; krtp does not replace it: remove it \
         (tc qdisc delete dev {interface} root), or go without --qdisc fq"
    )]
    Configured {
        /// The interface.
        interface: String,
        /// The qdisc's kind.
        kind: String,
        /// Its handle's major number.
        handle: u16,
    },
    /// Somebody's own, too: they would not come back with it.
    #[error(
        "{interface} has tc filters on its qdisc {kind} {handle:x}:, which go with it; krtp does not replace it: \
         remove them (tc filter delete dev {interface}), or go without --qdisc fq"
    )]
    Filters {
        /// The interface.
        interface: String,
        /// The qdisc's kind.
        kind: String,
        /// Its handle's major number.
        handle: u16,
    },
    /// Only an interface that is down has none.
    #[error("{0} has no qdisc to replace: ip link set {0} up")]
    None(String),
}

/// The fqs that `interface`'s packets go through, or why there are none.
pub fn keepers<'a>(interface: &str, qdiscs: &'a [Qdisc]) -> Result<Vec<&'a Qdisc>, String> {
    let Some(root) = qdiscs.iter().find(|qdisc| qdisc.is_root()) else {
        return Err(format!("{interface} has no qdisc"));
    };
    match root.kind.as_str() {
        "fq" => Ok(vec![root]),
        "noqueue" => Err(format!("{interface} has no queue (noqueue)")),
        // They only hand on, each hardware queue to a qdisc of its own.
        kind @ ("mq" | "mqprio") => {
            let queues = children(root, qdiscs);
            match queues.iter().find(|queue| queue.kind != "fq") {
                Some(other) => Err(format!("{interface} has {kind} over {}", other.kind)),
                None if queues.is_empty() => Err(format!("{interface} has {kind}")),
                None => Ok(queues),
            }
        }
        kind => Err(format!("{interface} has {kind}")),
    }
}

fn children<'a>(root: &Qdisc, qdiscs: &'a [Qdisc]) -> Vec<&'a Qdisc> {
    let is_child = |qdisc: &&Qdisc| !qdisc.is_root() && qdisc.parent.major == root.handle.major;
    let mut children: Vec<&Qdisc> = qdiscs.iter().filter(is_child).collect();
    children.sort_by_key(|child| child.parent.minor);
    children
}

/// What to do to interface `index` for `load`. `held`: krtp has made or changed
/// what is there before, and knows how to undo it.
pub fn plan(
    (index, interface): (u32, &str),
    qdiscs: &[Qdisc],
    load: Load,
    held: bool,
) -> Result<Plan, Refusal> {
    let root = qdiscs.iter().find(|qdisc| qdisc.is_root());
    let root = root.ok_or_else(|| Refusal::None(interface.to_owned()))?;
    let kept = keepers(interface, qdiscs).ok();
    if let Some(fqs) = &kept {
        if held {
            // Others' load is in there already.
            let raise = |fq: &&Qdisc| change(index, fq, Limits::shared(&Fq::of(interface, fq), load));
            return Ok(Plan { make: fqs.iter().map(raise).collect(), back: Vec::new() });
        }
        if fqs.iter().all(|fq| Fq::of(interface, fq).holds(load)) {
            return Ok(Plan::default());
        }
        // Changed, not replaced: what waits in it keeps waiting. The kernel
        // does not change what nobody configured ("Qdisc not found").
        if fqs.iter().all(|fq| fq.is_configured()) {
            let raise = |fq: &&Qdisc| change(index, fq, Limits::raised(&Fq::of(interface, fq), load));
            let lower = |fq: &&Qdisc| change(index, fq, Limits::as_they_are(&Fq::of(interface, fq)));
            return Ok(Plan { make: fqs.iter().map(raise).collect(), back: fqs.iter().map(lower).collect() });
        }
    }
    replace_all((index, interface), root, qdiscs, load)
}

/// Another root. On an interface with several hardware queues every queue gets
/// an fq: one for all of them would have all CPUs wait for one lock, and that
/// is the bystanders' loss. Queues of a root that nobody configured have no
/// address in requests, so the root is made anew in any case.
fn replace_all(
    (index, interface): (u32, &str),
    root: &Qdisc,
    qdiscs: &[Qdisc],
    load: Load,
) -> Result<Plan, Refusal> {
    let fq = || Some(TcAttribute::Options(Limits::of(load).options()));
    let mut plan = Plan { make: Vec::new(), back: vec![delete(index)] };
    let mut replaced = vec![root];
    if root.kind == "mq" {
        let queues = children(root, qdiscs);
        plan.make.push(replace(index, TcHandle::ROOT, OURS, "mq", None));
        let parents = queues.iter().map(|queue| TcHandle { minor: queue.parent.minor, ..OURS });
        plan.make.extend(parents.map(|parent| replace(index, parent, TcHandle::UNSPEC, "fq", fq())));
        replaced.extend(queues);
    } else {
        plan.make.push(replace(index, TcHandle::ROOT, OURS, "fq", fq()));
    }
    if let Some(qdisc) = replaced.iter().find(|qdisc| qdisc.has_filters) {
        let (kind, handle) = (qdisc.kind.clone(), qdisc.handle.major);
        return Err(Refusal::Filters { interface: interface.to_owned(), kind, handle });
    }
    // Deleting ours gives the kernel's own choice back.
    for qdisc in replaced.into_iter().filter(|qdisc| qdisc.is_configured()) {
        if !PUT_BACK.contains(&qdisc.kind.as_str()) && qdisc.kind != "mq" {
            let (kind, handle) = (qdisc.kind.clone(), qdisc.handle.major);
            return Err(Refusal::Configured { interface: interface.to_owned(), kind, handle });
        }
        let options = (!qdisc.options.is_empty())
            .then(|| TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, qdisc.options.clone())));
        plan.back.push(replace(index, qdisc.parent, qdisc.handle, &qdisc.kind, options));
    }
    Ok(plan)
}

fn message(index: u32, parent: TcHandle, handle: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = parent;
    message.header.handle = handle;
    message
}

fn request(message: RouteNetlinkMessage, flags: u16) -> Request {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request
}

fn replace(
    index: u32,
    parent: TcHandle,
    handle: TcHandle,
    kind: &str,
    options: Option<TcAttribute>,
) -> Request {
    let mut message = message(index, parent, handle);
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message.attributes.extend(options);
    request(RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE)
}

/// Without `NLM_F_CREATE`: fails where that very fq is not there any more.
fn change(index: u32, fq: &Qdisc, limits: Limits) -> Request {
    let mut message = message(index, fq.parent, fq.handle);
    let options: Vec<TcOption> = limits.options();
    message.attributes.push(TcAttribute::Kind("fq".to_owned()));
    message.attributes.push(TcAttribute::Options(options));
    request(RouteNetlinkMessage::NewQueueDiscipline(message), 0)
}

/// Fails where the root is not ours any more.
fn delete(index: u32) -> Request {
    request(RouteNetlinkMessage::DelQueueDiscipline(message(index, TcHandle::ROOT, OURS)), 0)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
