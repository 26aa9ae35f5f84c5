//! One file of a stream's row: the part of it that is played.

use crate::{
    media::{
        clock::Stretch,
        pcr::HERTZ,
        plan::Plan,
        source::{Source, SourceError},
    },
    schedule::Begin,
};
use std::ops::Range;

/// Packets of a file, and the clock they keep to.
#[derive(Debug)]
pub struct Item {
    source: Source,
    plan: Plan,
    packets: Range<u64>,
    /// The time of the first of them on the file's clock, ticks.
    media: u64,
}

impl Item {
    /// The `packets` of a file, at least one; the first is due `media` ticks
    /// after the file's beginning.
    pub fn new(source: Source, plan: Plan, packets: Range<u64>, media: u64) -> Self {
        Self { source, plan, packets, media }
    }

    /// The file.
    pub fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    /// How it is cut.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which of its packets are played.
    pub fn packets(&self) -> Range<u64> {
        self.packets.clone()
    }

    /// Their payload octets.
    pub fn octets(&self) -> u64 {
        self.plan.octet(self.packets.end) - self.plan.octet(self.packets.start)
    }

    /// Ticks of its clock per second; of a clock like any where it has none.
    pub fn hertz(&self) -> u32 {
        self.source.hertz().unwrap_or(HERTZ as u32)
    }

    /// A play of it as the flow's packet `number`, at the flow's time `flow`.
    pub fn begin(&self, number: u64, flow: u64) -> Begin {
        Begin { packet: self.packets.start, media: self.media, number, flow }
    }

    /// The straight part of the clock that `packet` lies on; `None` without one.
    pub fn stretch(&mut self, packet: u64) -> Result<Option<Stretch>, SourceError> {
        self.source.stretch(self.plan.octet(packet))
    }

    /// The time of `packet` on the file's clock, ticks rounded down; zero
    /// without a clock. The one behind the last has the time of the file's end.
    pub fn ticks_at(&mut self, packet: u64) -> Result<u64, SourceError> {
        let octet = self.plan.octet(packet);
        Ok(self.source.stretch(octet)?.map_or(0, |stretch| stretch.ticks_at(octet)))
    }
}
