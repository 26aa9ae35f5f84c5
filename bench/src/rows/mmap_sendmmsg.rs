//! The same straight from the mapped file: header and payload are two parts of
//! each packet, 64 packets to a `sendmmsg`.

use super::{
    means::datagrams::Datagrams,
    row::{Group, Place, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use rtp_common::header::LEN;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "mmap_sendmmsg",
    group: Group::Today,
    added: false,
    calls: "n/64",
    copies: &[Place::Send],
    does: "Each packet is two parts, a header in memory and a payload in the mapped file; \
           64 packets leave by one sendmmsg.",
    cost: "One copy of the payload less than sendmmsg: the kernel takes it from the page cache into the \
           packet. Every packet still goes through the socket, IP and the device by itself.",
    differs: None,
    open,
};

struct MmapSendmmsg {
    datagrams: Datagrams,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(MmapSendmmsg { datagrams: Datagrams::new(target.socket()?), number: 0 }))
}

impl Sender for MmapSendmmsg {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut headers = [[0; LEN]; Datagrams::MOST];
        for first in packets.clone().step_by(Datagrams::MOST) {
            let batch = first..packets.end.min(first + Datagrams::MOST);
            let numbers = self.number..;
            for (place, number) in headers.iter_mut().zip(numbers).take(batch.len()) {
                *place = header(number);
            }
            let payloads = batch.clone().map(|packet| media.payload(packet));
            let parts: Vec<_> = headers
                .iter()
                .zip(payloads)
                .map(|(header, payload)| [IoSlice::new(header), IoSlice::new(payload)])
                .collect();
            self.datagrams.send(&parts, LEN + media.payload_len)?;
            self.number += batch.len() as u64;
        }
        Ok(())
    }
}
