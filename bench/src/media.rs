//! The file that every row sends.

use crate::stream::{CLOCK_RATE, PAYLOAD_TYPE};
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
    io::{self, Read, Write as _},
    ops::Range,
    path::Path,
    sync::Arc,
};

/// Octets of a payload where nothing else is asked for: seven MPEG-TS packets, as IPTV sends them.
pub const PAYLOAD: usize = 7 * 188;

/// Random octets in a file without a name, which goes when the process goes;
/// all of it in the page cache.
#[derive(Debug)]
pub struct Media {
    /// The file.
    pub file: File,
    /// Its pages.
    pub memory: Arc<Mmap>,
    /// How krtp cuts it.
    pub plan: Plan,
    /// Octets of a payload; all are alike.
    pub payload_len: usize,
    identity: Identity,
}

impl Media {
    /// A file of `megabytes` million octets, in payloads of [`PAYLOAD`].
    pub fn random(megabytes: u32) -> anyhow::Result<Self> {
        let octets = megabytes as usize * 1_000_000;
        let what =
            || format!("making a file of {megabytes} MB in {} (see TMPDIR)", std::env::temp_dir().display());
        let mut file = tempfile::tempfile().with_context(what)?;
        let mut random = File::open("/dev/urandom").context("/dev/urandom")?.take(octets as u64);
        io::copy(&mut random, &mut file).with_context(what)?;
        // Or the kernel writes it out in the midst of the measurement.
        file.sync_all().with_context(what)?;
        // SAFETY: nobody else can open the file, and we never write to it again.
        let memory = unsafe { MmapOptions::new().populate().map(&file) }.with_context(what)?;
        let identity = Identity::of(&file)?;
        Self::of(file, Arc::new(memory), identity, PAYLOAD)
    }

    /// A file of `octets` octets in `directory`, without a name, none of whose pages this process holds: `block` again
    /// and again.
    pub fn on_disk(directory: &Path, octets: usize, block: &[u8]) -> anyhow::Result<Self> {
        let what = || format!("making a file of {octets} octets in {} (see TMPDIR)", directory.display());
        let mut file = tempfile::tempfile_in(directory).with_context(what)?;
        for written in (0..octets).step_by(block.len()) {
            file.write_all(&block[..block.len().min(octets - written)]).with_context(what)?;
        }
        file.sync_all().with_context(what)?;
        // SAFETY: nobody else can open the file, and we never write to it again.
        let memory = unsafe { MmapOptions::new().map(&file) }.with_context(what)?;
        let identity = Identity::of(&file)?;
        Self::of(file, Arc::new(memory), identity, PAYLOAD)
    }

    /// The same file in payloads of `payload_len` octets.
    pub fn cut(&self, payload_len: usize) -> anyhow::Result<Self> {
        Self::of(self.file.try_clone()?, Arc::clone(&self.memory), self.identity, payload_len)
    }

    /// What is left behind the last whole payload is not sent.
    fn of(file: File, memory: Arc<Mmap>, identity: Identity, payload_len: usize) -> anyhow::Result<Self> {
        let octets = memory.len() / payload_len * payload_len;
        let plan = Plan::new(0..octets as u64, u32::try_from(payload_len)?)?;
        Ok(Self { file, memory, plan, payload_len, identity })
    }

    /// The file as krtp sends it by its kernel engine, which wants payload sums.
    pub fn source(&self) -> anyhow::Result<Source> {
        self.source_of(&Library::new(None), true)
    }

    /// The same for its user engine, which wants none.
    pub fn source_without_sums(&self) -> anyhow::Result<Source> {
        self.source_of(&Library::new(None), false)
    }

    /// The same as one of many, which share what `library` knows of the file.
    pub fn source_of(&self, library: &Library, sums: bool) -> anyhow::Result<Source> {
        let media = media::Media {
            payload_type: PAYLOAD_TYPE,
            clock_rate: CLOCK_RATE,
            payload: self.plan.payload(),
            encoding: None,
            octets: self.plan.range(),
            unit: 1,
            clock: None,
            identity: self.identity,
            samples: None,
            has_pcrs: false,
            pcr_pid: None,
            pcr: None,
        };
        let (file, name) = (self.file.try_clone()?, "the bench's file".into());
        Ok(library.source(file, name, &media, self.plan, sums, ClockWish::None))
    }

    /// Number of packets.
    pub fn packets(&self) -> usize {
        self.memory.len() / self.payload_len
    }

    /// The payload of one packet.
    pub fn payload(&self, packet: usize) -> &[u8] {
        self.payloads(packet..packet + 1)
    }

    /// The payloads of some packets, one after the other.
    pub fn payloads(&self, packets: Range<usize>) -> &[u8] {
        &self.memory[packets.start * self.payload_len..packets.end * self.payload_len]
    }

    /// Where the payload of `packet` lies in the file.
    pub fn offset(&self, packet: usize) -> u64 {
        (packet * self.payload_len) as u64
    }

    /// The packets of turn `turn`, `packets` of them: one slice of the file after the other, and round again.
    pub fn slice(&self, turn: usize, packets: usize) -> Range<usize> {
        let packets = packets.min(self.packets());
        let first = turn % (self.packets() / packets) * packets;
        first..first + packets
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
        assert_eq!(media.plan.packets(), media.packets() as u64);
        assert_ne!(media.payload(0), media.payload(1));
        let (first, last, again) = (media.part(0, 7), media.part(6, 7), media.part(7, 7));
        assert_eq!(first.start, 0);
        assert!(last.end <= media.packets() && last.end + 7 > media.packets());
        assert_eq!(first, again);
        assert_eq!([0, 1, 7, 8].map(|turn| media.slice(turn, 100).start), [0, 100, 0, 100]);
        assert_eq!(media.slice(3, 1_000_000), 0..media.packets());
    }

    #[test]
    fn a_file_can_be_cut_otherwise() {
        let media = Media::random(1).expect("a temporary file");
        for payload_len in [100, 1460, 4000] {
            let cut = media.cut(payload_len).expect("a cut");
            assert_eq!(cut.packets(), 1_000_000 / payload_len, "{payload_len}");
            assert_eq!(cut.plan.packets(), cut.packets() as u64, "{payload_len}");
            let second = &media.memory[payload_len..2 * payload_len];
            assert_eq!(cut.payload(1), second, "{payload_len}");
            assert_eq!(cut.offset(1), payload_len as u64);
            assert_eq!(cut.payloads(0..2)[payload_len..], *second, "{payload_len}");
        }
    }
}
