//! The file that every row sends.

use crate::rows::{CLOCK_RATE, PAYLOAD_TYPE};
use anyhow::Context;
use krtp::media::{
    self,
    identity::Identity,
    library::{ClockWish, Library},
    plan::Plan,
    source::Source,
};
use memmap2::{Mmap, MmapOptions};
use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
};

/// Octets of a payload: seven MPEG-TS packets, as IPTV sends them.
pub const PAYLOAD: usize = 7 * 188;
/// The same for krtp, which counts in 32 bits.
pub const PAYLOAD_U32: u32 = 7 * 188;

/// Random octets in a file without a name, which goes when the process goes;
/// all of it in the page cache.
#[derive(Debug)]
pub struct Media {
    /// The file.
    pub file: File,
    /// Its pages.
    pub memory: Mmap,
    /// How krtp cuts it.
    pub plan: Plan,
    identity: Identity,
}

impl Media {
    /// A file of about `megabytes` million octets, a whole number of packets.
    pub fn random(megabytes: u32) -> anyhow::Result<Self> {
        let octets = megabytes as usize * 1_000_000 / PAYLOAD * PAYLOAD;
        let what =
            || format!("making a file of {megabytes} MB in {} (see TMPDIR)", std::env::temp_dir().display());
        let mut file = tempfile::tempfile().with_context(what)?;
        let mut random = File::open("/dev/urandom").context("/dev/urandom")?.take(octets as u64);
        io::copy(&mut random, &mut file).with_context(what)?;
        // Or the kernel writes it out in the midst of the measurement.
        file.sync_all().with_context(what)?;
        // SAFETY: nobody else can open the file, and we never write to it again.
        let memory = unsafe { MmapOptions::new().populate().map(&file) }.with_context(what)?;
        let plan = Plan::new(0..memory.len() as u64, PAYLOAD_U32)?;
        let identity = Identity::of(&file)?;
        Ok(Self { file, memory, plan, identity })
    }

    /// The file as krtp sends it.
    pub fn source(&self) -> anyhow::Result<Source> {
        let media = media::Media {
            payload_type: PAYLOAD_TYPE,
            clock_rate: CLOCK_RATE,
            payload: PAYLOAD_U32,
            encoding: None,
            octets: self.plan.range(),
            unit: 1,
            clock: None,
            identity: self.identity,
            converted: false,
            pcr: None,
        };
        let (file, name) = (self.file.try_clone()?, "the bench's file".into());
        Ok(Library::new(None).source(file, name, &media, self.plan, true, ClockWish::None))
    }

    /// Number of packets.
    pub fn packets(&self) -> usize {
        self.memory.len() / PAYLOAD
    }

    /// The payload of one packet.
    pub fn payload(&self, packet: usize) -> &[u8] {
        &self.memory[packet * PAYLOAD..][..PAYLOAD]
    }

    /// The packets of part `turn` of `parts`, counted round.
    pub fn part(&self, turn: usize, parts: usize) -> Range<usize> {
        let packets = self.packets() / parts;
        let first = turn % parts * packets;
        first..first + packets
    }
}

#[cfg(test)]
mod tests {
    use super::{Media, PAYLOAD};

    #[test]
    fn a_file_is_whole_packets_and_its_parts_go_round() {
        let media = Media::random(1).expect("a temporary file");
        assert_eq!(media.packets(), 1_000_000 / PAYLOAD);
        assert_eq!(media.memory.len(), media.packets() * PAYLOAD);
        assert_ne!(media.payload(0), media.payload(1));
        let (first, last, again) = (media.part(0, 7), media.part(6, 7), media.part(7, 7));
        assert_eq!(first.start, 0);
        assert!(last.end <= media.packets() && last.end + 7 > media.packets());
        assert_eq!(first, again);
    }
}
