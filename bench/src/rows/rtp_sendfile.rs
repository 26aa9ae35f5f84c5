//! Each packet put together in a corked socket: the header by `send`, the
//! payload by `sendfile`. `rtp_sendfile` in the paper, which found that its
//! four system calls eat what the saved copy gains.

use super::{
    means::cork,
    row::{Group, Row, Sender, send_file},
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
    key: "rtp_sendfile",
    group: Group::Existing,
    added: false,
    calls: "4n",
    copies: &[],
    does: "A corked socket puts each packet together: cork, send() of the header, sendfile() of the payload, uncork.",
    cost: "Four system calls for each packet, a pipe to splice through in each sendfile, and a checksum in software: \
           a packet put together from parts has no offload. The payload is read for it, but not copied.",
    differs: None,
    open,
};

struct RtpSendfile {
    socket: Socket,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(RtpSendfile { socket: target.socket()?, number: 0 }))
}

impl Sender for RtpSendfile {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            cork::packet(&self.socket, || {
                let sent = self.socket.send(&header(self.number)).context("send")?;
                ensure!(sent == LEN, "send took {sent} octets");
                send_file(&self.socket, media, packet..packet + 1)
            })?;
            self.number += 1;
        }
        Ok(())
    }
}
