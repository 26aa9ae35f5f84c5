//! One rtnetlink connection, and the answers krtp asks it for.

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle,
    packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage},
};

/// A connection to the kernel's rtnetlink.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: Handle,
}

/// What krtp needs to know of an interface.
#[expect(clippy::struct_excessive_bools, reason = "as many independent facts")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Largest packet, octets from the IP header on.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Whether it has a carrier: a cable with somebody at the other end.
    pub carrier: bool,
    /// Whether the kernel hands packets to it: carrier alone comes a moment before.
    pub running: bool,
    /// Whether it has Ethernet headers (loopback pretends to).
    pub ethernet: bool,
    /// Whether neighbours are asked for their link-layer addresses.
    pub arp: bool,
    /// Whether it is a loopback.
    pub loopback: bool,
    /// What a person may have written about it.
    pub alias: Option<String>,
    /// The kind of virtual device (`veth`, `macvlan`, …), if it is one.
    pub kind: Option<String>,
    /// The interface below, of a macvlan or VLAN.
    pub lower: Option<u32>,
    /// Name of the root qdisc.
    pub qdisc: String,
    /// Most segments of a GSO packet that it takes whole.
    pub gso_max_segs: u32,
}

/// rtnetlink said no.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[source] std::io::Error),
    /// The kernel refused the request.
    #[error("{what}: {source}{}", remedy(source))]
    Refused {
        /// What was asked.
        what: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
}

fn remedy(error: &rtnetlink::Error) -> &'static str {
    if is_errno(error, libc::EPERM) { "; run as root or with CAP_NET_ADMIN" } else { "" }
}

impl NetlinkError {
    /// Names the request that failed.
    pub fn refused(what: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Self {
        let what = what.into();
        move |source| Self::Refused { what, source }
    }

    /// The error number, where the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Open(error) => error.raw_os_error(),
            Self::Refused { source: rtnetlink::Error::NetlinkError(message), .. } => {
                Some(-message.raw_code())
            }
            Self::Refused { .. } => None,
        }
    }
}

impl Netlink {
    /// Opens a connection; its task runs on the current tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The handle, for requests of other modules.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The interface `name`, if there is one.
    pub async fn link_by_name(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        if !is_interface_name(name) {
            return Ok(None);
        }
        let request = self.handle.link().get().match_name(name.to_owned());
        found(request.execute().try_next().await, format!("looking for interface {name}"))
    }

    /// The interface `index`, if there is one.
    pub async fn link_by_index(&self, index: u32) -> Result<Option<Link>, NetlinkError> {
        let request = self.handle.link().get().match_index(index);
        found(request.execute().try_next().await, format!("looking for interface {index}"))
    }

    /// Every interface.
    pub async fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let links: Vec<LinkMessage> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(NetlinkError::refused("listing the interfaces"))?;
        Ok(links.iter().map(Link::from_message).collect())
    }

    /// Removes the interface `index`. That it is gone already is fine.
    pub async fn remove_link(&self, index: u32) -> Result<(), NetlinkError> {
        match self.handle.link().del(index).execute().await {
            Err(error) if is_errno(&error, libc::ENODEV) => Ok(()),
            other => other.map_err(NetlinkError::refused(format!("removing interface {index}"))),
        }
    }
}

fn found(
    answer: Result<Option<LinkMessage>, rtnetlink::Error>,
    what: String,
) -> Result<Option<Link>, NetlinkError> {
    match answer {
        Err(error) if is_errno(&error, libc::ENODEV) => Ok(None),
        Err(error) => Err(NetlinkError::refused(what)(error)),
        Ok(message) => Ok(message.as_ref().map(Link::from_message)),
    }
}

/// Whether an interface can be called `name` (`dev_valid_name`, net/core/dev.c).
pub fn is_interface_name(name: &str) -> bool {
    let forbidden = |c: char| matches!(c, '/' | ':' | '\0') || c.is_ascii_whitespace();
    (1..16).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(forbidden)
}

/// Whether the kernel answered with `errno`.
pub fn is_errno(error: &rtnetlink::Error, errno: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -errno)
}

impl Link {
    fn from_message(message: &LinkMessage) -> Self {
        use rtnetlink::packet_route::link::{LinkFlags, LinkInfo};
        let layer = message.header.link_layer_type;
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            mtu: 0,
            up: message.header.flags.contains(LinkFlags::Up),
            carrier: message.header.flags.contains(LinkFlags::LowerUp),
            running: message.header.flags.contains(LinkFlags::Running),
            ethernet: matches!(layer, LinkLayerType::Ether | LinkLayerType::Loopback),
            arp: !message.header.flags.contains(LinkFlags::Noarp),
            loopback: layer == LinkLayerType::Loopback,
            alias: None,
            kind: None,
            lower: None,
            qdisc: String::new(),
            gso_max_segs: 0,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias.clone()),
                LinkAttribute::Link(lower) => link.lower = Some(*lower),
                LinkAttribute::Qdisc(qdisc) => link.qdisc.clone_from(qdisc),
                LinkAttribute::GsoMaxSegs(segments) => link.gso_max_segs = *segments,
                LinkAttribute::LinkInfo(infos) => {
                    link.kind = infos.iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        link
    }
}

#[cfg(test)]
mod tests {
    use super::is_interface_name;

    #[test]
    fn interfaces_have_names_that_the_kernel_takes() {
        for good in ["eth0", "eth0.5", "br-lan", "fifteen-letters"] {
            assert!(is_interface_name(good), "{good}");
        }
        for bad in ["", ".", "..", "../eth0", "eth0:1", "a b", "eth0\n", "sixteen-letters!"] {
            assert!(!is_interface_name(bad), "{bad:?}");
        }
    }
}
