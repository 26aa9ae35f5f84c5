//! `AF_XDP`: whole frames, from Ethernet header to payload, in memory shared
//! with the kernel, past socket, IP and qdisc. In copy mode, which every
//! interface can.

use super::row::{Group, Place, Row, Sender};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
    stream::header,
};
use anyhow::{Context, bail, ensure};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{MsgFlags, send},
};
use rtp_common::{
    checksum::{fold, payload_sum},
    header::LEN,
};
use socket2::Socket;
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    ops::Range,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};
use xdp::{
    CompletionRing, FillRing, Packet, RingConfigBuilder, TxRing, Umem,
    nic::NicIndex,
    packet::CsumOffload,
    slab::{HeapSlab, Slab},
    socket::{SocketError, XdpSocket, XdpSocketBuilder},
    umem::{FrameSize, UmemCfgBuilder},
};

pub const ROW: Row = Row {
    key: "af_xdp",
    group: Group::Today,
    added: false,
    calls: "n/32",
    copies: &[Place::User, Place::Send],
    does: "Frames are built in memory shared with the kernel: headers from Ethernet to RTP, the payload copied from \
           the mapped file. One sendto tells the kernel to send 32 of them (copy mode), and the kernel computes their UDP \
           checksums.",
    cost: "Every payload is copied twice, into the frame and from there into a packet, and read once more for \
           its checksum. Every packet is made and freed by itself, but neither socket, route, netfilter nor qdisc is passed.",
    differs: Some(
        "Copy mode: no device here has a driver that sends from shared memory (zero-copy mode). Needs root, and \
         whoever sends has to know neighbour and source address. Neither fragments nor segmentation offload.",
    ),
    open,
};

/// Frames that the kernel sends by one call (`TX_BATCH_SIZE`).
const MOST: usize = 32;
/// Octets of the headers of Ethernet, IPv4 and UDP.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
/// Where the UDP checksum is within its header.
const CHECKSUM: u16 = 6;
/// How long the kernel may take over some frames.
const PATIENCE: Duration = Duration::from_secs(2);

struct AfXdp {
    shared: Shared,
    frames: HeapSlab,
    /// What is the same in all frames.
    headers: [u8; ETHERNET + IPV4 + UDP],
    number: u64,
    /// Keeps the source port ours.
    _port: Socket,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    ensure!(
        LEN + media.payload_len <= UNFRAGMENTED,
        "AF_XDP sends frames as they are: fragments would have to be made by hand"
    );
    let port = target.socket()?;
    let headers = headers(target, &port, UDP + LEN + media.payload_len)?;
    let begin = Instant::now();
    let shared = loop {
        match Shared::bind(NicIndex::new(target.link.index))? {
            Some(shared) => break shared,
            None => ensure!(begin.elapsed() < PATIENCE, "another AF_XDP socket has the interface's queue"),
        }
        // The kernel lets go of a queue some time after its socket was closed.
        thread::sleep(Duration::from_millis(1));
    };
    Ok(Box::new(AfXdp { shared, frames: HeapSlab::with_capacity(MOST), headers, number: 0, _port: port }))
}

/// What is shared with the kernel.
struct Shared {
    socket: XdpSocket,
    sending: TxRing,
    done: CompletionRing,
    /// For receiving; without one no socket can be bound.
    _fill: FillRing,
    umem: Umem,
}

impl Shared {
    /// A socket on the first queue of an interface; none if another has it.
    fn bind(interface: NicIndex) -> anyhow::Result<Option<Self>> {
        let count = MOST as u32;
        let umem = UmemCfgBuilder {
            frame_size: FrameSize::TwoK,
            frame_count: count,
            tx_checksum: true,
            ..UmemCfgBuilder::default()
        };
        let umem = Umem::map(umem.build()?).context("memory for frames")?;
        let rings =
            RingConfigBuilder { rx_count: 0, tx_count: count, fill_count: count, completion_count: count };
        let mut socket = XdpSocketBuilder::new().context("an AF_XDP socket")?;
        let (rings, mut flags) = socket.build_rings(&umem, rings.build()?)?;
        flags.force_copy();
        let socket = match socket.bind(interface, 0, flags) {
            Ok(socket) => socket,
            Err(SocketError::Bind(error)) if error.kind() == ErrorKind::ResourceBusy => return Ok(None),
            Err(error) => return Err(error).context("binding to the interface"),
        };
        let sending = rings.tx_ring.context("no ring to send by")?;
        Ok(Some(Self { socket, sending, done: rings.completion_ring, _fill: rings.fill_ring, umem }))
    }
}

impl Sender for AfXdp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for first in packets.clone().step_by(MOST) {
            let batch = first..packets.end.min(first + MOST);
            for packet in batch.clone() {
                let frame = self.frame(media.payload(packet))?;
                ensure!(self.frames.push_front(frame).is_none(), "no room for a frame");
                self.number += 1;
            }
            self.hand_over(batch.len())?;
        }
        Ok(())
    }
}

impl AfXdp {
    fn frame(&mut self, payload: &[u8]) -> anyhow::Result<Packet> {
        // SAFETY: frames do not outlive the memory that they lie in, since both are ours.
        let mut frame = unsafe { self.shared.umem.alloc() }.context("all frames are in use")?;
        frame.append(&self.headers)?;
        frame.append(&header(self.number))?;
        frame.append(payload)?;
        let start = (ETHERNET + IPV4) as u16;
        frame.set_tx_metadata(CsumOffload::Request { start, offset: CHECKSUM }, false)?;
        Ok(frame)
    }

    /// Has the kernel send the frames, and takes them back.
    fn hand_over(&mut self, frames: usize) -> anyhow::Result<()> {
        let shared = &mut self.shared;
        // SAFETY: the frames come from `umem`, and nobody holds them any more.
        let queued = unsafe { shared.sending.send(&mut self.frames) };
        ensure!(queued == frames, "the ring took {queued} frames of {frames}");
        let (mut done, begin) = (0, Instant::now());
        while done < frames {
            match send(shared.socket.as_raw_fd(), &[], MsgFlags::MSG_DONTWAIT) {
                // The device was busy: again.
                Ok(_) | Err(Errno::EAGAIN | Errno::EBUSY | Errno::EINTR) => {}
                Err(error) => return Err(error).context("sendto"),
            }
            done += shared.done.dequeue(&mut shared.umem, frames - done);
            ensure!(begin.elapsed() < PATIENCE, "{} frames were not sent", frames - done);
        }
        Ok(())
    }
}

/// The headers of datagrams of `octets` octets from `socket`.
fn headers(target: &Target, socket: &Socket, octets: usize) -> anyhow::Result<[u8; ETHERNET + IPV4 + UDP]> {
    let source = socket.local_addr()?.as_socket_ipv4().context("no IPv4 source address")?;
    let SocketAddr::V4(destination) = target.destination else { bail!("no IPv4 destination") };
    let here = ethernet_address(&target.link.name)?;
    let mut headers = [0; ETHERNET + IPV4 + UDP];
    headers[..6].copy_from_slice(&target.neighbour.unwrap_or(here));
    headers[6..12].copy_from_slice(&here);
    headers[12..ETHERNET].copy_from_slice(&[0x08, 0x00]);
    headers[ETHERNET..].copy_from_slice(&datagram(source, destination, u16::try_from(octets)?));
    Ok(headers)
}

/// The IPv4 header, whole, and the UDP header with the sum of the
/// pseudo-header in its checksum: the device adds the rest.
fn datagram(source: SocketAddrV4, destination: SocketAddrV4, octets: u16) -> [u8; IPV4 + UDP] {
    let mut headers = [0; IPV4 + UDP];
    let (ip, udp) = headers.split_at_mut(IPV4);
    // Version 4 and five words of header; not to be fragmented; 64 hops; UDP.
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(IPV4 as u16 + octets).to_be_bytes());
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = 17;
    ip[12..16].copy_from_slice(&source.ip().octets());
    ip[16..20].copy_from_slice(&destination.ip().octets());
    let sum = payload_sum(ip);
    ip[10..12].copy_from_slice(&(!sum).to_be_bytes());
    udp[..2].copy_from_slice(&source.port().to_be_bytes());
    udp[2..4].copy_from_slice(&destination.port().to_be_bytes());
    udp[4..6].copy_from_slice(&octets.to_be_bytes());
    udp[6..].copy_from_slice(&pseudo_header(*source.ip(), *destination.ip(), octets).to_be_bytes());
    headers
}

/// Sum of what a UDP checksum covers of the IPv4 header (RFC 768).
fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, octets: u16) -> u16 {
    let addresses = [source.octets(), destination.octets()].concat();
    fold(u64::from(payload_sum(&addresses)) + 17 + u64::from(octets))
}

/// The Ethernet address of an interface of the calling thread's namespace.
fn ethernet_address(interface: &str) -> anyhow::Result<[u8; 6]> {
    getifaddrs()?
        .filter(|address| address.interface_name == interface)
        .find_map(|address| address.address?.as_link_addr()?.addr())
        .with_context(|| format!("{interface} has no Ethernet address"))
}

#[cfg(test)]
mod tests {
    use super::{datagram, pseudo_header};

    /// RFC 1071, read literally.
    fn sum(octets: &[u8]) -> u16 {
        octets.chunks(2).fold(0u16, |sum, word| {
            let word = u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    #[test]
    fn headers_sum_to_what_receivers_expect() {
        for (source, destination, octets) in [
            ("10.66.1.1:40000", "10.66.1.2:5004", 1336),
            ("255.255.255.254:65535", "239.255.255.255:65534", 1480),
            ("1.0.0.1:1", "1.0.0.2:2", 120),
        ] {
            let (source, destination) = (source.parse().expect("source"), destination.parse().expect("to"));
            let headers = datagram(source, destination, octets);
            assert_eq!(sum(&headers[..20]), 0xffff, "{source}: the IPv4 header");
            let pseudo = [&headers[12..20], &[0, 17], &headers[24..26]].concat();
            assert_eq!(pseudo_header(*source.ip(), *destination.ip(), octets), sum(&pseudo), "{source}");
            assert_eq!(headers[26..], sum(&pseudo).to_be_bytes(), "{source}: the UDP checksum so far");
        }
    }
}
