//! The file mapped into memory and sent from there. `mmap_send` in the paper.

use super::row::{Group, Place, Row, Sender};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use anyhow::{Context, ensure};
use socket2::Socket;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "mmap_send",
    group: Group::Download,
    added: false,
    calls: "1 + n",
    copies: &[Place::Send],
    does: "The file is mapped once; send() sends each payload out of the mapping.",
    cost: "Each payload is copied once, into the packet, from memory that no cache of the CPU holds. One system call \
           and one way through the network stack for each packet. Page faults where the mapping is new.",
    differs: None,
    open,
};

struct MmapSend {
    socket: Socket,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(MmapSend { socket: target.socket()? }))
}

impl Sender for MmapSend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            let sent = self.socket.send(media.payload(packet)).context("send")?;
            ensure!(sent == media.payload_len, "send took {sent} octets");
        }
        Ok(())
    }
}
