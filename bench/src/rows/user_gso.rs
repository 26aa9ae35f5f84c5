//! The best that user space does today by itself: headers built in user space,
//! payloads straight from the mapped file, 49 packets in one `sendmsg` that the
//! kernel cuts apart (UDP GSO). The kernel copies every payload once.

use super::{
    means::segmented,
    row::{Group, MOST_SEGMENTS, Place, Row, Sender, batch_of},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "user_gso",
    group: Group::Today,
    added: false,
    calls: "n/49",
    copies: &[Place::Send],
    does: "Headers built in user space and payloads in the mapped file are gathered by one sendmsg() with UDP_SEGMENT, \
           which the kernel cuts into 49 packets.",
    cost: "Each payload is copied once, into the batch. One way through the network stack for 49 packets, and the \
           cutting apart, which a device with segmentation offload does by itself.",
    differs: None,
    open,
};

struct UserGso {
    socket: Socket,
    number: u64,
    /// Octets of a packet's header and payload.
    packet: usize,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = segmented::socket(target, media, LEN)?;
    Ok(Box::new(UserGso { socket, number: 0, packet: LEN + media.payload_len }))
}

impl Sender for UserGso {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut headers = [[0; LEN]; MOST_SEGMENTS];
        let mut next = packets.start;
        while next < packets.end {
            let batch = next..packets.end.min(next + batch_of(self.packet));
            let numbers = self.number..;
            for (place, number) in headers.iter_mut().zip(numbers).take(batch.len()) {
                *place = header(number);
            }
            let mut parts = [IoSlice::new(&[]); 2 * MOST_SEGMENTS];
            for ((pair, header), packet) in parts.chunks_exact_mut(2).zip(&headers).zip(batch.clone()) {
                pair[0] = IoSlice::new(header);
                pair[1] = IoSlice::new(media.payload(packet));
            }
            let sent = self.socket.send_vectored(&parts[..2 * batch.len()]).context("sendmsg")?;
            ensure!(sent == batch.len() * self.packet, "sendmsg took {sent} octets");
            self.number += batch.len() as u64;
            next = batch.end;
        }
        Ok(())
    }
}
