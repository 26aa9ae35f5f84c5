//! The maps, shared memory with user space but for `PLACES`.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, HashMap},
    macros::btf_map,
};
use core::intrinsics::{AtomicOrdering::Relaxed, AtomicOrdering::SeqCst, atomic_xadd};
use rtp_common::watch::{
    frame::Key,
    settings::{Settings, Totals},
    stats::Stream,
};

/// Streams where user space does not ask for another number at load.
const DEFAULT_STREAMS: usize = 64;

/// What is wanted.
#[btf_map]
pub static SETTINGS: Array<Settings, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What is counted apart from the streams.
#[btf_map]
pub static TOTALS: Array<Totals, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// The streams, in the order of their first packets.
#[btf_map]
pub static STREAMS: Array<Stream, DEFAULT_STREAMS, { BPF_F_MMAPABLE as usize }> = Array::new();

/// A stream's index in `STREAMS`.
#[btf_map]
pub static PLACES: HashMap<Key, u32, DEFAULT_STREAMS> = HashMap::new();

/// What user space wants.
#[inline(always)]
pub fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// A count in [`Totals`].
#[derive(Clone, Copy)]
pub enum Total {
    NoPlace,
    Batches,
    Busy,
}

/// Counts one more.
#[inline(always)]
pub fn count(total: Total) {
    let Some(totals) = TOTALS.get_ptr_mut(0) else { return };
    // SAFETY: an array map's value.
    unsafe {
        let counter = match total {
            Total::NoPlace => &raw mut (*totals).no_place,
            Total::Batches => &raw mut (*totals).batches,
            Total::Busy => &raw mut (*totals).busy,
        };
        atomic_xadd::<u64, u64, { Relaxed }>(counter, 1);
    }
}

/// The next free index in `STREAMS`, of `streams`.
#[inline(always)]
pub fn take_place(streams: u32) -> Option<u32> {
    let totals = TOTALS.get_ptr_mut(0)?;
    // SAFETY: an array map's value. `SeqCst`: a weaker order would not give the old value.
    let place = unsafe { atomic_xadd::<u64, u64, { SeqCst }>(&raw mut (*totals).places, 1) };
    if place < u64::from(streams) { Some(place as u32) } else { None }
}
