//! `io_uring` straight from the mapped file: header and payload are two parts
//! of each packet, 64 packets leave by one call, and nothing is copied.

use super::{
    means::ring::{REPORT, Ring, SENDS, SOCKET},
    row::{Group, Notices, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use io_uring::opcode::SendMsgZc;
use nix::libc;
use rtp_common::header::LEN;
use std::{io::IoSlice, mem, ops::Range};

pub const ROW: Row = Row {
    key: "io_uring_sendmsg_zc",
    group: Group::Today,
    added: false,
    calls: "n/64",
    copies: &[],
    does: "Each packet is two parts, a header in memory and a payload in the mapped file; one io_uring_enter \
           sends 64 of them (SENDMSG_ZC) and waits until the kernel has done with their pages.",
    cost: "No payload is copied. Instead the pages of every packet are looked up and pinned, every packet \
           goes through the socket, IP and the device by itself, and has two completions. To a receiver on \
           the same host (veth) the kernel copies after all.",
    differs: Some(
        "The mapping of a file cannot be registered (the kernel pins registered memory for good, and \
         for writing), so that its pages are pinned for each packet.",
    ),
    open,
};

struct SendmsgZeroCopy {
    ring: Ring,
    number: u64,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(SendmsgZeroCopy { ring: Ring::new(target.socket()?, media)?, number: 0 }))
}

impl Sender for SendmsgZeroCopy {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let octets = LEN + media.payload_len;
        for first in packets.clone().step_by(SENDS) {
            let batch = first..packets.end.min(first + SENDS);
            let headers: Vec<_> = (self.number..).take(batch.len()).map(header).collect();
            let payloads = batch.clone().map(|packet| media.payload(packet));
            let parts: Vec<_> = headers
                .iter()
                .zip(payloads)
                .map(|(header, payload)| [IoSlice::new(header), IoSlice::new(payload)])
                .collect();
            let messages: Vec<_> = parts.iter().map(|parts| message(parts)).collect();
            let entries: Vec<_> = messages
                .iter()
                .map(|message| {
                    SendMsgZc::new(SOCKET, message).ioprio(REPORT).build().user_data(octets as u64)
                })
                .collect();
            // SAFETY: messages, parts and headers live until the end of this turn.
            unsafe { self.ring.send(&entries) }?;
            self.number += batch.len() as u64;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.ring.notices)
    }
}

/// Points to `parts`.
fn message(parts: &[IoSlice<'_>]) -> libc::msghdr {
    // SAFETY: a message without address, parts and control data is all zero.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // `IoSlice` is laid out as an iovec, and a send does not write to them.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len();
    message
}
