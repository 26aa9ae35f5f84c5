//! What an interface does for the packets that leave through it.

use std::{io, mem};

/// `ETHTOOL_GFEATURES` (linux/ethtool.h).
const GET_FEATURES: u32 = 0x3a;
/// Checksums of UDP over IPv4, of anything, of UDP over IPv6: bits of the first
/// word of an interface's features (`linux/netdev_features.h`).
const IP_CSUM: u32 = 1 << 1;
const HW_CSUM: u32 = 1 << 3;
const IPV6_CSUM: u32 = 1 << 4;
/// UDP segmentation: bit 33, in the second word.
const GSO_UDP_L4: u32 = 1 << 1;

/// `struct ethtool_gfeatures` with two blocks: 64 features.
#[repr(C)]
#[derive(Default)]
struct Features {
    command: u32,
    blocks: u32,
    words: [Word; 2],
}

/// `struct ethtool_get_features_block`.
#[repr(C)]
#[derive(Default)]
struct Word {
    available: u32,
    requested: u32,
    active: u32,
    never_changed: u32,
}

/// Whether `interface` computes the checksums of UDP packets, IPv4 and IPv6, by
/// itself (a virtual one: passes them on to be computed).
pub fn checksums(interface: &str) -> io::Result<bool> {
    let [first, _] = active(interface)?;
    let has = |bits: u32| first & bits == bits;
    Ok(has(HW_CSUM) || has(IP_CSUM | IPV6_CSUM))
}

/// Whether `interface` cuts a batch into packets by itself (a virtual one:
/// passes it on to be cut).
pub fn segmentation(interface: &str) -> io::Result<bool> {
    let [_, second] = active(interface)?;
    Ok(second & GSO_UDP_L4 != 0)
}

/// The features that are on.
fn active(interface: &str) -> io::Result<[u32; 2]> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    let mut features = Features { command: GET_FEATURES, blocks: 2, ..Features::default() };
    // SAFETY: all zeros are an `ifreq`.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last octet stays zero.
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut features).cast();
    // SAFETY: `request` points to `features`, which says its size in `blocks`.
    let answer =
        unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCETHTOOL, &request) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(features.words.map(|word| word.active))
}

#[cfg(test)]
mod tests {
    use super::{checksums, segmentation};

    #[test]
    fn the_loopback_is_asked_for_no_checksum() {
        // Its packets never leave memory: `NETIF_F_HW_CSUM`, fixed.
        assert!(checksums("lo").expect("every host has one"));
        assert!(checksums("no-such-thing").is_err());
    }

    #[test]
    fn the_loopback_takes_batches_whole() {
        assert!(segmentation("lo").expect("every host has one"));
        assert!(segmentation("no-such-thing").is_err());
    }
}
