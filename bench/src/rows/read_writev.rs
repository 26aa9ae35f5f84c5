//! What a streaming server does without further thought: read a payload, write
//! it behind a header. `read_writev` in the paper.

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
use std::{
    io::{IoSlice, Read, Seek, SeekFrom},
    ops::Range,
};

pub const ROW: Row = Row {
    key: "read_writev",
    group: Group::Existing,
    added: false,
    calls: "2n",
    copies: &[Place::Read, Place::Send],
    does: "read() brings a payload into a buffer, writev() sends a header and that buffer as one packet.",
    cost: "Each payload is copied twice, from the page cache and into the packet; the second copy finds it in the \
           CPU's cache. Two system calls and one way through the network stack for each packet.",
    differs: None,
    open,
};

struct ReadWritev {
    socket: Socket,
    number: u64,
    payload: Vec<u8>,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(ReadWritev { socket: target.socket()?, number: 0, payload: Vec::new() }))
}

impl Sender for ReadWritev {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut file = &media.file;
        file.seek(SeekFrom::Start(media.offset(packets.start)))?;
        self.payload.resize(media.payload_len, 0);
        for _ in packets {
            file.read_exact(&mut self.payload).context("read")?;
            let header = header(self.number);
            let parts = [IoSlice::new(&header), IoSlice::new(&self.payload)];
            let sent = writev(&self.socket, &parts).context("writev")?;
            ensure!(sent == LEN + media.payload_len, "writev took {sent} octets");
            self.number += 1;
        }
        Ok(())
    }
}
