//! The best that user space does today by itself: headers built in user space,
//! payloads straight from the mapped file, 48 packets in one `sendmsg` that the
//! kernel cuts apart (UDP GSO). The kernel copies every payload once.

use super::{Row, Sender, header};
use crate::{
    devices::{Namespace, Target},
    media::{Media, PAYLOAD},
};
use anyhow::{Context, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row { name: "user_gso", open };

/// Packets per call: they fill 63,744 of the 65,507 octets there can be.
const BATCH: usize = 48;

struct UserGso {
    socket: Socket,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = target.socket()?;
    let octets = i32::try_from(LEN + PAYLOAD)?;
    setsockopt(&socket, UdpGsoSegment, &octets).context("UDP_SEGMENT")?;
    Ok(Box::new(UserGso { socket, number: 0 }))
}

impl Sender for UserGso {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut headers = [[0; LEN]; BATCH];
        let mut next = packets.start;
        while next < packets.end {
            let batch = next..packets.end.min(next + BATCH);
            let numbers = self.number..;
            for (place, number) in headers.iter_mut().zip(numbers).take(batch.len()) {
                *place = header(number);
            }
            let mut parts = [IoSlice::new(&[]); 2 * BATCH];
            for ((pair, header), packet) in parts.chunks_exact_mut(2).zip(&headers).zip(batch.clone()) {
                pair[0] = IoSlice::new(header);
                pair[1] = IoSlice::new(media.payload(packet));
            }
            let sent = self.socket.send_vectored(&parts[..2 * batch.len()]).context("sendmsg")?;
            ensure!(sent == batch.len() * (LEN + PAYLOAD), "sendmsg took {sent} octets");
            self.number += batch.len() as u64;
            next = batch.end;
        }
        Ok(())
    }
}
