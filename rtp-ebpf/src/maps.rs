//! The maps. `FLOWS` and `NOTES` are shared memory with user space; bpftool
//! prints them by field name from their BTF.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, PerCpuArray, SkStorage},
    macros::{btf_map, map},
    maps::ProgramArray,
};
use rtp_common::{
    flow::{FlowState, Slot},
    notes::Ring,
    reason::{SKIPS, Skip},
};

/// At its only place, the program for what carries our mark.
#[map]
pub static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Slots where user space does not ask for another number at load.
const DEFAULT_FLOWS: usize = 64;

/// The flows' states, by slot.
#[btf_map]
pub static FLOWS: Array<FlowState, DEFAULT_FLOWS, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What user space noted of the packets, by slot.
#[btf_map]
pub static NOTES: Array<Ring, DEFAULT_FLOWS, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Which slot a socket's flow has. The entry dies with the socket.
#[btf_map]
pub static SOCKETS: SkStorage<Slot> = SkStorage::new();

/// What this CPU knows of the batch whose segments are passing.
#[btf_map]
pub static BATCH: PerCpuArray<Batch, 1> = PerCpuArray::new();

/// Packets that carried our mark and were no flow's, by [`Skip`].
#[btf_map]
pub static SKIPPED: PerCpuArray<u64, SKIPS> = PerCpuArray::new();

/// A batch between the first pass and the last of its segments. Segmentation
/// and both passes run in one go on one CPU with softirqs off (`bpf_redirect`
/// from tc transmits in place, and the segmenter has no queue), so that one
/// entry per CPU is enough.
#[repr(C)]
pub struct Batch {
    /// Number of its first packet.
    pub first: u64,
    /// Number of the next segment's packet.
    pub next_number: u64,
    /// Cookie of its flow's socket (a slot is used again, a cookie never);
    /// zero: no batch yet.
    pub cookie: u64,
}

impl Batch {
    /// Whether this is the batch of the flow of socket `cookie` whose first packet
    /// is `first`. To compare priorities would not do: the entry outlives its batch, and they
    /// come again after 2^24 packets.
    #[inline(always)]
    pub fn is(&self, cookie: u64, first: u64) -> bool {
        self.first == first && self.cookie == cookie
    }
}

/// Counts a packet of another's that carried our mark.
#[inline(always)]
pub fn count_skip(skip: Skip) {
    if let Some(count) = SKIPPED.get_ptr_mut(skip as u32) {
        // SAFETY: a per-CPU value, and nothing interrupts this program on this CPU to touch it.
        unsafe { *count += 1 };
    }
}
