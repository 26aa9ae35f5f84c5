//! A packet put together in a corked socket, its payload sent from a mapping. `mmap_send_rtp` in the paper.

use super::{
    means::cork,
    row::{Group, Place, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use rtp_common::header::LEN;
use socket2::Socket;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "mmap_send_rtp",
    group: Group::Existing,
    added: false,
    calls: "1 + 4n",
    copies: &[Place::Send],
    does: "The file is mapped once. A corked socket puts each packet together: cork, send() of the header, send() \
           out of the mapping, uncork.",
    cost: "Four system calls for each packet. The payload is copied once, and summed up while it is copied: a packet \
           put together from parts has no checksum offload.",
    differs: None,
    open,
};

struct MmapSendRtp {
    socket: Socket,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(MmapSendRtp { socket: target.socket()?, number: 0 }))
}

impl Sender for MmapSendRtp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            cork::packet(&self.socket, || {
                let sent = self.socket.send(&header(self.number)).context("send")?;
                ensure!(sent == LEN, "send took {sent} octets");
                let sent = self.socket.send(media.payload(packet)).context("send")?;
                ensure!(sent == media.payload_len, "send took {sent} octets");
                Ok(())
            })?;
            self.number += 1;
        }
        Ok(())
    }
}
