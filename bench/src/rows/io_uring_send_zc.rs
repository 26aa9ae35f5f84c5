//! `io_uring` with registered memory: payloads are read to behind their headers,
//! and 64 packets leave by one call, from there, without another copy.

use super::{
    means::{
        ring::{MEMORY, REPORT, Ring, SENDS, SOCKET},
        slots::Slots,
    },
    row::{Group, Notices, Place, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use io_uring::opcode::SendZc;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "io_uring_send_zc",
    group: Group::Today,
    added: false,
    calls: "n/32",
    copies: &[Place::Read],
    does: "64 payloads are read by one preadv to behind their headers in registered memory; one \
           io_uring_enter sends these 64 packets (SEND_ZC) and waits until the kernel has done with them.",
    cost: "The copy out of the page cache is the only one. Every packet goes through the socket, IP and the \
           device by itself, and has two completions to be made and read. To a receiver on the same host \
           (veth) the kernel copies after all.",
    differs: None,
    open,
};

struct SendZeroCopy {
    // Before the memory that its requests point to.
    ring: Ring,
    slots: Slots,
    number: u64,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let (ring, slots) = (Ring::new(target.socket()?, media)?, Slots::new(media, SENDS)?);
    ring.register(slots.memory())?;
    Ok(Box::new(SendZeroCopy { ring, slots, number: 0 }))
}

impl Sender for SendZeroCopy {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let octets = self.slots.packet();
        for first in packets.clone().step_by(SENDS) {
            let batch = first..packets.end.min(first + SENDS);
            let filled = self.slots.fill(media, batch.clone(), self.number)?;
            let entries: Vec<_> = filled
                .chunks_exact(octets)
                .map(|packet| {
                    let send = SendZc::new(SOCKET, packet.as_ptr(), octets as u32)
                        .buf_index(Some(MEMORY))
                        .zc_flags(REPORT);
                    send.build().user_data(octets as u64)
                })
                .collect();
            // SAFETY: the slots are filled again when this has returned.
            unsafe { self.ring.send(&entries) }?;
            self.number += batch.len() as u64;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.ring.notices)
    }
}
