//! A payload read to where a header stands in front of it. `read_send_rtp` in the paper.

use super::row::{Group, Place, Row, Sender};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

pub const ROW: Row = Row {
    key: "read_send_rtp",
    group: Group::Existing,
    added: false,
    calls: "2n",
    copies: &[Place::Read, Place::Send],
    does: "read() brings a payload into a buffer behind room for the header, send() sends both as one packet.",
    cost: "Each payload is copied twice, from the page cache and into the packet; the second copy finds it in the \
           CPU's cache. Two system calls and one way through the network stack for each packet.",
    differs: None,
    open,
};

struct ReadSendRtp {
    socket: Socket,
    number: u64,
    packet: Vec<u8>,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let packet = vec![0; LEN + media.payload_len];
    Ok(Box::new(ReadSendRtp { socket: target.socket()?, number: 0, packet }))
}

impl Sender for ReadSendRtp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut file = &media.file;
        file.seek(SeekFrom::Start(media.offset(packets.start)))?;
        for _ in packets {
            file.read_exact(&mut self.packet[LEN..]).context("read")?;
            self.packet[..LEN].copy_from_slice(&header(self.number));
            let sent = self.socket.send(&self.packet).context("send")?;
            ensure!(sent == self.packet.len(), "send took {sent} octets");
            self.number += 1;
        }
        Ok(())
    }
}
