//! The maps of the program, as shared memory.

use super::{Options, clocks};
use crate::kernel::{maps::Shared, object::LoadError};
use aya::Ebpf;
use bytemuck::Zeroable as _;
use rtp_common::watch::{
    settings::{Settings, Totals},
    stats::Stream,
};
use std::ptr;

/// What is read while the program runs, and after.
#[derive(Debug)]
pub struct Maps {
    streams: Shared<Stream>,
    totals: Shared<Totals>,
    /// A program is loaded when it is attached, and finds its maps open.
    _settings: Shared<Settings>,
    room: u32,
}

impl Maps {
    /// Opens the maps of `ebpf`, and tells the program what is wanted.
    pub fn open(ebpf: &mut Ebpf, wanted: &Settings) -> Result<Self, LoadError> {
        let mut take = |name| ebpf.take_map(name).ok_or(LoadError::Missing(name));
        let settings = Shared::<Settings>::open(take("SETTINGS")?, "SETTINGS")?;
        // SAFETY: a mapped entry, and no program runs yet.
        unsafe { ptr::write_volatile(settings.entry(0), *wanted) };
        Ok(Self {
            streams: Shared::open(take("STREAMS")?, "STREAMS")?,
            totals: Shared::open(take("TOTALS")?, "TOTALS")?,
            _settings: settings,
            room: wanted.streams,
        })
    }

    /// A copy of what is counted apart from the streams.
    pub fn totals(&self) -> Totals {
        // SAFETY: a mapped entry; any bits are `Totals`.
        unsafe { ptr::read_volatile(self.totals.entry(0)) }
    }

    /// A copy of each stream, in the order of their first packets. It may mix two
    /// moments while the program runs, which each counter by itself survives.
    pub fn streams(&self) -> impl Iterator<Item = Box<Stream>> + '_ {
        // SAFETY: a mapped entry; any bits are a `Stream`.
        let streams =
            self.places().map(|place| unsafe { Box::new(ptr::read_volatile(self.streams.entry(place))) });
        streams.filter(|stream| stream.stats.packets != 0)
    }

    /// Packets of all streams.
    pub fn packets(&self) -> u64 {
        // SAFETY: a mapped, aligned integer.
        let packets =
            |place| unsafe { ptr::read_volatile(&raw const (*self.streams.entry(place)).stats.packets) };
        self.places().map(packets).sum()
    }

    fn places(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.totals().places).unwrap_or(u32::MAX).min(self.room)
    }
}

/// What `options` ask of the program on an interface with this `mtu`.
pub fn settings(options: &Options, mtu: u32) -> Settings {
    let mut settings = Settings {
        drop: options.drop.into(),
        by_ssrc: options.ssrc.is_some().into(),
        ssrc: options.ssrc.unwrap_or(0),
        streams: options.streams,
        longest: mtu,
        clock_rates: clocks::rates(&options.clock_rates),
        ..Settings::zeroed()
    };
    for port in &options.ports {
        settings.add_port(*port);
    }
    settings
}
