//! UDP GSO: many packets in one call, which the kernel cuts apart
//! (`UDP_SEGMENT`, Linux 4.18).

use crate::{
    devices::{Target, UNFRAGMENTED},
    media::Media,
};
use anyhow::{Context, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use socket2::Socket;

/// What UDP GSO cuts has to fit the MTU.
const TOO_LARGE: &str = "UDP_SEGMENT takes no packet larger than the MTU";

/// A socket that cuts what it is given into packets of `header` octets and a payload of `media`'s.
pub fn socket(target: &Target, media: &Media, header: usize) -> anyhow::Result<Socket> {
    let packet = header + media.payload_len;
    ensure!(packet <= UNFRAGMENTED, TOO_LARGE);
    let socket = target.socket()?;
    setsockopt(&socket, UdpGsoSegment, &i32::try_from(packet)?).context("UDP_SEGMENT")?;
    Ok(socket)
}
