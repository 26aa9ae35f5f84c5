//! `krtp doctor`: what this host and its interfaces can do, what krtp will
//! therefore use, and how to get more. Changes nothing: the program is loaded
//! and let go of again, and nothing is made on any interface.

mod host;
mod interface;
mod load;
mod report;
mod verdict;

use crate::{
    kernel::segmenter,
    net::netlink::{Link, Netlink},
    print::print,
};
use anyhow::{Context, Result};
use host::Host;
use interface::Interface;
use std::process::ExitCode;

/// Looks at the host and at `interface`, or at every interface that is up.
/// `load`: lists the parts of the loaded program as well (alone, if no
/// interface is named). Fails only for what cannot be looked at at all, such
/// as an unknown interface or a program that does not load with `load`; a host
/// that can do less is an answer like any other.
pub async fn run(interface: Option<&str>, load: bool) -> Result<ExitCode> {
    let netlink = Netlink::open()?;
    let named = match interface {
        Some(name) => {
            let link = netlink.link_by_name(name).await?;
            Some(link.with_context(|| format!("there is no interface {name}: see `ip link`"))?)
        }
        None => None,
    };
    let mut text = String::new();
    if load {
        text += &load::listing()?;
        if named.is_none() {
            print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        text += "\n";
    }
    let host = Host::look(&netlink).await?;
    text += &report::host(&host);
    text += "\n";
    if let Some(link) = named {
        text += &report::interface(&host, &Interface::look(&netlink, link).await?);
    } else {
        let mut interfaces = Vec::new();
        for link in netlink.links().await?.into_iter().filter(is_of_interest) {
            interfaces.push(Interface::look(&netlink, link).await?);
        }
        text += &report::interfaces(&host, &interfaces);
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Segmenters are not for streaming through, and what is down says nothing.
fn is_of_interest(link: &Link) -> bool {
    link.loopback || (link.up && !segmenter::is_ours(link))
}
