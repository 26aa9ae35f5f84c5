//! A file server's first thought: read a payload, write it. `read_write` in the paper.

use super::row::{Group, Place, Row, Sender};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use anyhow::{Context, ensure};
use nix::unistd::write;
use socket2::Socket;
use std::{
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

pub const ROW: Row = Row {
    key: "read_write",
    group: Group::Download,
    added: false,
    calls: "2n",
    copies: &[Place::Read, Place::Send],
    does: "read() brings a payload into a buffer, write() sends the buffer as one packet.",
    cost: "Each payload is copied twice, from the page cache and into the packet; the second copy finds it in the \
           CPU's cache. Two system calls and one way through the network stack for each packet.",
    differs: None,
    open,
};

struct ReadWrite {
    socket: Socket,
    payload: Vec<u8>,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(ReadWrite { socket: target.socket()?, payload: vec![0; media.payload_len] }))
}

impl Sender for ReadWrite {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut file = &media.file;
        file.seek(SeekFrom::Start(media.offset(packets.start)))?;
        for _ in packets {
            file.read_exact(&mut self.payload).context("read")?;
            let sent = write(&self.socket, &self.payload).context("write")?;
            ensure!(sent == self.payload.len(), "write took {sent} octets");
        }
        Ok(())
    }
}
