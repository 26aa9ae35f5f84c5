//! Many packets in one call, each a datagram of its own: payloads read to
//! behind their headers, 64 packets to a `preadv` and a `sendmmsg`.

use super::{
    means::{datagrams::Datagrams, slots::Slots},
    row::{Group, Place, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "sendmmsg",
    group: Group::Today,
    added: false,
    calls: "n/32",
    copies: &[Place::Read, Place::Send],
    does: "Payloads are read to behind their headers, 64 by one preadv; 64 packets leave by one sendmmsg.",
    cost: "Calls hardly count any more. Every payload is copied twice, and every packet goes through the \
           socket, IP and the device by itself, which is where the time goes.",
    differs: None,
    open,
};

struct Sendmmsg {
    datagrams: Datagrams,
    slots: Slots,
    number: u64,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let datagrams = Datagrams::new(target.socket()?);
    Ok(Box::new(Sendmmsg { datagrams, slots: Slots::new(media, Datagrams::MOST)?, number: 0 }))
}

impl Sender for Sendmmsg {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let packet = self.slots.packet();
        for first in packets.clone().step_by(Datagrams::MOST) {
            let batch = first..packets.end.min(first + Datagrams::MOST);
            let filled = self.slots.fill(media, batch.clone(), self.number)?;
            let parts: Vec<_> = filled.chunks_exact(packet).map(|packet| [IoSlice::new(packet)]).collect();
            self.datagrams.send(&parts, packet)?;
            self.number += batch.len() as u64;
        }
        Ok(())
    }
}
