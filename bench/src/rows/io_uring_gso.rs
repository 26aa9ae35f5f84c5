//! `io_uring` and UDP GSO together: as many packets as fit are read to behind
//! their headers in registered memory, and sent from there as one.

use super::{
    means::{
        ring::{MEMORY, REPORT, Ring, SOCKET},
        segmented,
        slots::Slots,
    },
    row::{Group, Notices, Place, Row, Sender, batch_of},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use io_uring::opcode::SendZc;
use rtp_common::header::LEN;
use std::{ops::Range, slice};

pub const ROW: Row = Row {
    key: "io_uring_gso",
    group: Group::Today,
    added: false,
    calls: "2n/49",
    copies: &[Place::Read],
    does: "Up to 64 KiB of payloads are read by one preadv to behind their headers in registered memory, and \
           sent from there by one SEND_ZC, which the kernel cuts into packets (UDP_SEGMENT).",
    cost: "One copy, out of the page cache, as with user_gso, which has it on the way into the packet. The \
           packets are 16 pieces of pages, pinned once for all. To a receiver on the same host (veth) the \
           kernel copies after all.",
    differs: None,
    open,
};

struct RingGso {
    // Before the memory that its requests point to.
    ring: Ring,
    slots: Slots,
    most: usize,
    number: u64,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let most = batch_of(LEN + media.payload_len);
    let (ring, slots) = (Ring::new(segmented::socket(target, media, LEN)?, media)?, Slots::new(media, most)?);
    ring.register(slots.memory())?;
    Ok(Box::new(RingGso { ring, slots, most, number: 0 }))
}

impl Sender for RingGso {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for first in packets.clone().step_by(self.most) {
            let batch = first..packets.end.min(first + self.most);
            let filled = self.slots.fill(media, batch.clone(), self.number)?;
            let send = SendZc::new(SOCKET, filled.as_ptr(), filled.len() as u32)
                .buf_index(Some(MEMORY))
                .zc_flags(REPORT);
            let entry = send.build().user_data(filled.len() as u64);
            // SAFETY: the slots are filled again when this has returned.
            unsafe { self.ring.send(slice::from_ref(&entry)) }?;
            self.number += batch.len() as u64;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.ring.notices)
    }
}
