//! Before anything is measured: does a row deliver what it should? A receiver
//! in another network namespace looks at every octet, with an RTP parser that
//! is not krtp's.
//!
//! The kernel behind the veth pair verifies the UDP checksum of krtp's packets,
//! which are complete; a wrong one shows up as a missing packet.

use crate::{
    devices::{Namespace, Peer, Target, read_exactly},
    media::Media,
    rows::{Group, Row, Sender},
    stream::{PAYLOAD_TYPE, sequence, timestamp},
};
use anyhow::{Context, bail, ensure};
use rtp_types::RtpPacket;
use std::{
    io::ErrorKind,
    net::{TcpStream, UdpSocket},
    ops::Range,
    thread,
};

/// Packets of a check: batches of 48 and 49 end in a short one, and the
/// sequence number wraps.
pub const PACKETS: usize = 1_500;
/// Sent at a time: what goes through the receiving kernel's backlog at once.
const STEP_PACKETS: usize = 250;
/// Larger than any packet there is.
const BUFFER: usize = 65_536;

/// Runs `row` once through the receiver, with so many packets.
pub fn run(
    row: &Row,
    namespace: &Namespace,
    target: &Target,
    peer: &Peer,
    media: &Media,
    packets: usize,
) -> anyhow::Result<()> {
    let mut sender = (row.open)(namespace, target, media)?;
    let packets = 0..packets.min(media.packets());
    if sender.acknowledged().is_some() {
        return connection(&mut *sender, peer.accept()?, media, packets);
    }
    datagrams(&mut *sender, peer, media, packets, row.group != Group::Download)
}

/// The same for a sender of datagrams that has been opened; `rtp`: they have headers.
pub fn datagrams(
    sender: &mut dyn Sender,
    peer: &Peer,
    media: &Media,
    packets: Range<usize>,
    rtp: bool,
) -> anyhow::Result<()> {
    // A row that failed may have left packets behind.
    drain(&peer.udp)?;
    let mut stream = Stream { rtp, ..Stream::default() };
    for first in packets.clone().step_by(STEP_PACKETS) {
        let range = first..packets.end.min(first + STEP_PACKETS);
        sender.send(media, range.clone())?;
        receive(&peer.udp, media, range, &mut stream)?;
    }
    let more = drain(&peer.udp)?;
    ensure!(more == 0, "{more} packets more than were sent");
    Ok(())
}

/// What comes through a TCP connection has no packets: the octets count.
fn connection(
    sender: &mut dyn Sender,
    mut connection: TcpStream,
    media: &Media,
    packets: Range<usize>,
) -> anyhow::Result<()> {
    let sent = media.payloads(packets.clone());
    let octets = sent.len();
    let reader = thread::spawn(move || read_exactly(&mut connection, octets));
    sender.send(media, packets)?;
    let read = reader.join().expect("the receiver's thread does not panic")?;
    ensure!(read == sent, "what arrived is not the file");
    Ok(())
}

fn receive(
    socket: &UdpSocket,
    media: &Media,
    packets: Range<usize>,
    stream: &mut Stream,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER];
    for packet in packets.clone() {
        let octets = match socket.recv(&mut buffer) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                bail!("packet {packet} and what should follow, up to {}, did not arrive", packets.end)
            }
            Err(error) => return Err(error).context("receiving"),
        };
        stream.take(&buffer[..octets], media.payload(packet)).with_context(|| format!("packet {packet}"))?;
    }
    Ok(())
}

/// Takes what is there, and says how many packets it was. Every packet is
/// processed by the time the call that sent it returns, so what is not there
/// now does not come.
fn drain(socket: &UdpSocket) -> anyhow::Result<usize> {
    socket.set_nonblocking(true)?;
    let mut packets = 0;
    while socket.recv(&mut [0]).is_ok() {
        packets += 1;
    }
    socket.set_nonblocking(false)?;
    Ok(packets)
}

/// What a receiver knows of a stream.
#[derive(Debug, Default)]
struct Stream {
    /// Whether there are headers.
    rtp: bool,
    packets: u64,
    ssrc: Option<u32>,
}

impl Stream {
    /// The next packet, which should carry `payload`.
    fn take(&mut self, packet: &[u8], payload: &[u8]) -> anyhow::Result<()> {
        if !self.rtp {
            ensure!(packet == payload, "it is not the file's payload");
            return Ok(());
        }
        let packet = RtpPacket::parse(packet).context("is no RTP packet")?;
        let number = self.packets;
        ensure!(packet.version() == 2, "version {}", packet.version());
        let plain = packet.padding().is_none() && packet.extension().is_none() && packet.n_csrcs() == 0;
        ensure!(plain && !packet.marker_bit(), "padding, extension, CSRC or marker where none should be");
        ensure!(packet.payload_type() == PAYLOAD_TYPE, "payload type {}", packet.payload_type());
        let ssrc = *self.ssrc.get_or_insert(packet.ssrc());
        ensure!(packet.ssrc() == ssrc, "SSRC {:#010x} after {ssrc:#010x}", packet.ssrc());
        let sequence = sequence(number);
        ensure!(
            packet.sequence_number() == sequence,
            "sequence number {} where {sequence} should be",
            packet.sequence_number()
        );
        let timestamp = timestamp(number);
        ensure!(
            packet.timestamp() == timestamp,
            "timestamp {} where {timestamp} should be",
            packet.timestamp()
        );
        ensure!(packet.payload() == payload, "its payload is not the file's");
        self.packets += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;
    use crate::stream::header;

    const PAYLOAD: &[u8] = b"seven packets of a transport stream";

    fn packet(number: u64, payload: &[u8]) -> Vec<u8> {
        [&header(number), payload].concat()
    }

    fn changed(number: u64, at: usize, octet: u8) -> Vec<u8> {
        let mut packet = packet(number, PAYLOAD);
        packet[at] = octet;
        packet
    }

    #[test]
    fn a_right_stream_is_taken_across_the_wraps() {
        let mut stream = Stream { rtp: true, ..Stream::default() };
        for number in 0..1000 {
            stream.take(&packet(number, PAYLOAD), PAYLOAD).expect("right");
        }
    }

    #[test]
    fn a_fault_is_named() {
        for (what, second) in [
            ("is no RTP packet", vec![0x80, 33, 0]),
            ("is no RTP packet", changed(1, 0, 0x40)),
            ("marker", changed(1, 1, 0x80 + 33)),
            ("payload type 32", changed(1, 1, 32)),
            ("SSRC", changed(1, 8, 0xff)),
            ("sequence number", packet(0, PAYLOAD)),
            ("sequence number", packet(2, PAYLOAD)),
            ("timestamp", changed(1, 7, 0xff)),
            ("payload is not the file's", packet(1, &PAYLOAD[1..])),
            ("payload is not the file's", changed(1, 20, 0)),
        ] {
            let mut stream = Stream { rtp: true, ..Stream::default() };
            stream.take(&packet(0, PAYLOAD), PAYLOAD).expect("right");
            let error = stream.take(&second, PAYLOAD).expect_err(what);
            assert!(error.to_string().contains(what), "{error} is not {what}");
        }
    }

    #[test]
    fn a_download_has_no_headers() {
        let mut stream = Stream::default();
        stream.take(PAYLOAD, PAYLOAD).expect("right");
        stream.take(&packet(0, PAYLOAD), PAYLOAD).expect_err("a header");
        stream.take(&PAYLOAD[1..], PAYLOAD).expect_err("an octet less");
    }
}
