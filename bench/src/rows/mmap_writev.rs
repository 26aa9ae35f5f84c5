//! A header and a payload in a mapping, written together. `mmap_writev` in the paper.

use super::row::{Group, Place, Row, Sender};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use nix::sys::uio::writev;
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "mmap_writev",
    group: Group::Existing,
    added: false,
    calls: "1 + n",
    copies: &[Place::Send],
    does: "The file is mapped once; writev() sends a header and a payload in the mapping as one packet.",
    cost: "Each payload is copied once, into the packet. One system call and one way through the network stack for \
           each packet: the least that calls of that time come to.",
    differs: None,
    open,
};

struct MmapWritev {
    socket: Socket,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(MmapWritev { socket: target.socket()?, number: 0 }))
}

impl Sender for MmapWritev {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            let header = header(self.number);
            let parts = [IoSlice::new(&header), IoSlice::new(media.payload(packet))];
            let sent = writev(&self.socket, &parts).context("writev")?;
            ensure!(sent == LEN + media.payload_len, "writev took {sent} octets");
            self.number += 1;
        }
        Ok(())
    }
}
