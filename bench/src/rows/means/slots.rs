//! Packets side by side in memory: each payload is read to behind its header.

use crate::{media::Media, stream::header};
use anyhow::{Context, ensure};
use memmap2::MmapMut;
use nix::sys::uio::preadv;
use rtp_common::header::LEN;
use std::{io::IoSliceMut, ops::Range};

/// Room for packets, from the start of a page on.
#[derive(Debug)]
pub struct Slots {
    memory: MmapMut,
    /// Octets of a packet.
    packet: usize,
}

impl Slots {
    /// Room for `count` packets of `media`.
    pub fn new(media: &Media, count: usize) -> anyhow::Result<Self> {
        let packet = LEN + media.payload_len;
        let memory = MmapMut::map_anon(count * packet).context("memory for packets")?;
        Ok(Self { memory, packet })
    }

    /// All of it.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Lays out `packets` of the file, of which the first is the row's packet
    /// `number`: headers written, payloads read by one call. Gives them back,
    /// side by side.
    pub fn fill(&mut self, media: &Media, packets: Range<usize>, number: u64) -> anyhow::Result<&[u8]> {
        let octets = packets.len() * media.payload_len;
        let mut payloads = Vec::with_capacity(packets.len());
        for (slot, number) in self.memory.chunks_exact_mut(self.packet).zip(number..).take(packets.len()) {
            let (place, payload) = slot.split_at_mut(LEN);
            place.copy_from_slice(&header(number));
            payloads.push(IoSliceMut::new(payload));
        }
        let offset = i64::try_from(packets.start * media.payload_len)?;
        let read = preadv(&media.file, &mut payloads, offset).context("preadv")?;
        ensure!(read == octets, "preadv gave {read} octets of {octets}");
        Ok(&self.memory[..packets.len() * self.packet])
    }

    /// Octets of a packet.
    pub fn packet(&self) -> usize {
        self.packet
    }
}
