//! What keeps packets from an interface for a while: ordinary events of a
//! network, which pass.

use super::{
    netlink::Netlink,
    route::{self, Ends, NextHop},
};

/// What can be seen of such an event while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// An interface on the way has no carrier.
    NoCarrier,
    /// The next hop's link-layer address is not known.
    Silent,
}

impl Hindrance {
    /// It, and what comes of it.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCarrier => "the interface has no carrier any more; packets are lost until it has",
            Self::Silent => "the next hop does not answer any more; packets are lost until it does",
        }
    }
}

/// What keeps packets between `ends` from leaving through `links` now (indices), if
/// anything does. `next_hop`: who had to answer at first, where somebody has to;
/// the route may have changed since. Blocks; for a thread outside of any runtime.
pub fn look(ends: Ends, links: &[u32], next_hop: Option<NextHop>) -> Option<Hindrance> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let netlink = Netlink::open().ok()?;
        for &index in links {
            // One that is gone or was set down does not come back by itself.
            let link = netlink.link_by_index(index).await.ok()??;
            if link.up && !(link.carrier && link.running) {
                return Some(Hindrance::NoCarrier);
            }
        }
        let next_hop = next_hop?;
        let route = route::find(&netlink, ends, Some(next_hop.interface)).await;
        let address = route.map_or(next_hop.address, |route| route.next_hop);
        let silent = NextHop { address, ..next_hop }.is_silent(&netlink).await;
        silent.unwrap_or(false).then_some(Hindrance::Silent)
    })
}
