//! The host's network: links, routes, sockets.

pub mod hindrance;
pub mod netlink;
pub mod offload;
pub mod qdisc;
pub mod route;
pub mod socket;
