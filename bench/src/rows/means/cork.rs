//! What the rows share that put a packet together from parts.

use anyhow::Context;
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt::SetBool},
};
use socket2::Socket;

/// Holds what is sent back until it is set to false: one packet (udp(7)).
#[derive(Clone)]
struct UdpCork;

nix::setsockopt_impl!(UdpCork, libc::IPPROTO_UDP, libc::UDP_CORK, bool, SetBool);

/// Makes one packet of what `parts` hands over.
pub fn packet(socket: &Socket, parts: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    setsockopt(socket, UdpCork, &true).context("corking")?;
    parts()?;
    setsockopt(socket, UdpCork, &false).context("uncorking")
}
