//! A packet put together in a corked socket, its payload from a mapping without copying. `mmap_send_msend` in the paper.

use super::{
    means::cork,
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use nix::{
    fcntl::{SpliceFFlags, splice, vmsplice},
    unistd::pipe,
};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range, os::fd::OwnedFd};

pub const ROW: Row = Row {
    key: "mmap_send_msend",
    group: Group::Enhanced,
    added: true,
    calls: "1 + 5n",
    copies: &[],
    does: "The file is mapped once. A corked socket puts each packet together: cork, send() of the header, vmsplice() \
           of the payload in the mapping to a pipe, splice() from the pipe to the socket, uncork.",
    cost: "Five system calls for each packet, its pages looked up and pinned, and a checksum in software: a packet \
           put together from parts has no offload. The payload is read for it, but not copied.",
    differs: Some(
        "Two calls stand for the paper's msend(): a corked socket has no checksum offload, and without \
         that MSG_ZEROCOPY copies (__ip_append_data), while splice() does not.",
    ),
    open,
};

struct MmapSendMsend {
    socket: Socket,
    number: u64,
    out: OwnedFd,
    into: OwnedFd,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let (out, into) = pipe().context("a pipe")?;
    Ok(Box::new(MmapSendMsend { socket: target.socket()?, number: 0, out, into }))
}

impl Sender for MmapSendMsend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let flags = SpliceFFlags::empty();
        for packet in packets {
            cork::packet(&self.socket, || {
                let sent = self.socket.send(&header(self.number)).context("send")?;
                ensure!(sent == LEN, "send took {sent} octets");
                let payload = [IoSlice::new(media.payload(packet))];
                let taken = vmsplice(&self.into, &payload, flags).context("vmsplice")?;
                ensure!(taken == media.payload_len, "vmsplice took {taken} octets");
                let sent = splice(&self.out, None, &self.socket, None, taken, flags).context("splice")?;
                ensure!(sent == taken, "splice took {sent} octets");
                Ok(())
            })?;
            self.number += 1;
        }
        Ok(())
    }
}
