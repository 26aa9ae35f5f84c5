//! The qdiscs of an interface: whether packets leave at their departure times,
//! and what it takes to have them do so. Parsing and deciding are pure.

#[cfg(test)]
mod dumps;
pub mod fq;
mod list;
pub mod plan;

use super::netlink::{Link, Netlink, NetlinkError};
use fq::Fq;
use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::{RouteNetlinkMessage, link::LinkAttribute};

pub use list::Qdisc;

/// What `--qdisc` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The qdisc that has each packet leave at its time; what was there is put back afterwards
    Fq,
}

/// Whether an interface keeps departure times (`skb->tstamp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departures {
    /// Every packet leaves at its time.
    Kept(Fq),
    /// Packets leave at once, or as another qdisc sees fit.
    NotKept {
        /// Why, in a few words that name the interface.
        why: String,
    },
}

/// Packets that the fq of an interface dropped since it was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// All of them.
    pub all: u64,
    /// Whose departure was further ahead than the horizon.
    pub horizon: u64,
    /// Whose flow had too many packets waiting.
    pub flow_limit: u64,
}

/// What keeps the departure times of `link`.
pub async fn departures(netlink: &Netlink, link: &Link) -> Result<Departures, NetlinkError> {
    let keeper = keeper(netlink, link).await?;
    let qdiscs = list::of(netlink, keeper.index).await?;
    Ok(match plan::keepers(&keeper.name, &qdiscs) {
        Ok(fqs) => Departures::Kept(Fq::smallest(&keeper.name, &fqs)),
        Err(why) => Departures::NotKept { why },
    })
}

/// What fq dropped on the way through `link`, bystanders' packets included.
/// Without fq: nothing.
pub async fn drops(netlink: &Netlink, link: &Link) -> Result<Drops, NetlinkError> {
    let keeper = keeper(netlink, link).await?;
    let qdiscs = list::of(netlink, keeper.index).await?;
    let fqs = plan::keepers(&keeper.name, &qdiscs).unwrap_or_default();
    Ok(fqs.into_iter().map(fq::drops).fold(Drops::default(), |sum, one| Drops {
        all: sum.all + one.all,
        horizon: sum.horizon + one.horizon,
        flow_limit: sum.flow_limit + one.flow_limit,
    }))
}

/// The interface whose qdiscs decide: `link` itself, or what a VLAN without a
/// queue sends through, for the departure time survives the way down.
pub async fn keeper(netlink: &Netlink, link: &Link) -> Result<Link, NetlinkError> {
    let Some(index) = link.lower.filter(|_| link.kind.as_deref() == Some("vlan")) else {
        return Ok(link.clone());
    };
    if link.qdisc != "noqueue" || is_elsewhere(netlink, link.index).await? {
        return Ok(link.clone());
    }
    let Some(lower) = netlink.link_by_index(index).await? else {
        return Ok(link.clone());
    };
    let keeps = plan::keepers(&lower.name, &list::of(netlink, lower.index).await?).is_ok();
    Ok(if keeps { lower } else { link.clone() })
}

/// Whether what `index` sends through is in another network namespace.
async fn is_elsewhere(netlink: &Netlink, index: u32) -> Result<bool, NetlinkError> {
    let mut links = netlink.handle().link().get().match_index(index).execute();
    let what = || NetlinkError::refused(format!("looking for interface {index}"));
    let message = links.try_next().await.map_err(what())?;
    let is_foreign = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::LinkNetNsId(_));
    Ok(message.is_some_and(|message| message.attributes.iter().any(is_foreign)))
}

/// Every qdisc of interface `index`, and whether it has tc filters.
pub(crate) async fn list(netlink: &Netlink, index: u32) -> Result<Vec<Qdisc>, NetlinkError> {
    let mut qdiscs = list::of(netlink, index).await?;
    list::look_for_filters(netlink, index, &mut qdiscs).await?;
    Ok(qdiscs)
}

/// Sends one request and waits for the kernel's answer to it.
pub(crate) async fn send(
    netlink: &Netlink,
    request: NetlinkMessage<RouteNetlinkMessage>,
) -> Result<(), rtnetlink::Error> {
    let mut answers = netlink.handle().clone().request(request)?;
    while let Some(answer) = answers.next().await {
        match answer.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => {
                return Err(rtnetlink::Error::NetlinkError(error));
            }
            _ => {}
        }
    }
    Ok(())
}
