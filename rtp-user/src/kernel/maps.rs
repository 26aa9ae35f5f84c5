//! The maps as shared memory: no system call to lay a sum or to read a
//! counter.

use crate::{pace::Lateness, process::Process};
use aya::maps::{Map, MapData, SkStorage};
use memmap2::{MmapOptions, MmapRaw};
use rtp_common::{
    flow::{FlowState, Slot},
    notes::{self, Note},
    reason::DROPS,
    timeline::Piece,
};
use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The kernel refused to map it.
    #[error("cannot map the BPF map {name}: {source}")]
    Mmap {
        /// The map.
        name: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another kind of map, or other sizes: not ours, or of another version.
    #[error("the BPF map {0} has another shape than this version of krtp needs: detach and attach again")]
    Shape(&'static str),
    /// aya's view of the same.
    #[error("the BPF map is of another kind: {0}")]
    Kind(#[source] aya::maps::MapError),
    /// Every slot belongs to a living process.
    #[error("all {0} flow slots are taken: end a stream, or attach with more (krtp attach --flows N)")]
    Full(u32),
}

/// An array map in our address space.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    memory: MmapRaw,
    data: MapData,
    len: u32,
    entries: PhantomData<T>,
}

impl<T> Shared<T> {
    /// Maps `map`, an array of `T`.
    pub(crate) fn open(map: Map, name: &'static str) -> Result<Self, MapError> {
        let Map::Array(data) = map else {
            return Err(MapError::Shape(name));
        };
        let info = data.info().map_err(MapError::Kind)?;
        if info.value_size() as usize != size_of::<T>() || !size_of::<T>().is_multiple_of(8) {
            return Err(MapError::Shape(name));
        }
        let len = info.max_entries();
        // An array's entries lie one after the other, each rounded up to
        // eight octets (kernel/bpf/arraymap.c).
        let memory = MmapOptions::new()
            .len(len as usize * size_of::<T>())
            .map_raw(data.fd().as_fd().as_raw_fd())
            .map_err(|source| MapError::Mmap { name, source })?;
        Ok(Self { memory, data, len, entries: PhantomData })
    }

    /// Where entry `index` lies. The program writes there at any time: go
    /// through volatile or atomic accesses only.
    pub(crate) fn entry(&self, index: u32) -> *mut T {
        assert!(index < self.len, "slot {index} of {}", self.len);
        // SAFETY: in bounds, as just checked.
        unsafe { self.memory.as_mut_ptr().cast::<T>().add(index as usize) }
    }
}

/// Set in a slot's owner by `krtp detach`. Process ids end at 2^22, so it is
/// never part of one.
const LEAVING: u64 = 1 << 63;

/// The map `FLOWS`.
#[derive(Debug)]
pub struct Flows {
    entries: Shared<FlowState>,
    /// Where the search for a free slot begins.
    next: AtomicU32,
}

impl Flows {
    /// Opens the map of that name.
    pub fn open(map: Map) -> Result<Self, MapError> {
        Ok(Self { entries: Shared::open(map, "FLOWS")?, next: AtomicU32::new(0) })
    }

    /// The map itself, for pinning.
    pub fn data(&self) -> &MapData {
        &self.entries.data
    }

    /// Number of slots.
    pub fn len(&self) -> u32 {
        self.entries.len
    }

    /// Whether there is no slot at all.
    pub fn is_empty(&self) -> bool {
        self.entries.len == 0
    }

    /// A copy of `slot`'s state.
    pub fn read(&self, slot: u32) -> FlowState {
        // SAFETY: a mapped entry; any bit pattern is a `FlowState`. The copy
        // may mix two moments, which each counter by itself survives.
        let state = unsafe { ptr::read_volatile(self.entries.entry(slot)) };
        FlowState { owner: state.owner & !LEAVING, ..state }
    }

    /// What became of `slot`'s packets so far. It is asked after each batch: the rest of the state, sixteen cache lines
    /// that are cold where many flows take turns, is not touched.
    pub fn passed(&self, slot: u32) -> Passed {
        let entry = self.entries.entry(slot);
        // SAFETY: mapped, aligned fields; any bit pattern is a count.
        unsafe {
            Passed {
                packets: ptr::read_volatile(&raw const (*entry).packets),
                drops: ptr::read_volatile(&raw const (*entry).drops),
            }
        }
    }

    /// The flows that somebody holds, with their slots.
    pub fn held(&self) -> impl Iterator<Item = (u32, FlowState)> + '_ {
        (0..self.len()).map(|slot| (slot, self.read(slot))).filter(|(_, state)| state.owner != 0)
    }

    /// Takes a free slot, or one whose holder is dead, for this process and
    /// fills it with `settings`. The search begins behind the slot that was taken last, or with the
    /// one that was given back last: from the first one on, a process with many flows would look through all of its own for each.
    pub fn claim(&self, settings: FlowState) -> Result<u32, MapError> {
        let owner = Process::own().to_bits();
        let from = self.next.load(Ordering::Relaxed);
        // Neighbours mostly belong to one process, and whether it lives is asked of /proc.
        let mut alive = owner;
        for slot in (from..self.len()).chain(0..from) {
            let holder = self.owner(slot);
            let seen = holder.load(Ordering::Acquire);
            let process = seen & !LEAVING;
            if seen != 0 && (process == alive || Process::from_bits(process).is_alive()) {
                alive = process;
                continue;
            }
            if holder.compare_exchange(seen, owner, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // SAFETY: a mapped entry that is now ours alone.
                unsafe { ptr::write_volatile(self.entries.entry(slot), FlowState { owner, ..settings }) };
                self.next.store((slot + 1) % self.len(), Ordering::Relaxed);
                return Ok(slot);
            }
        }
        Err(MapError::Full(self.len()))
    }

    /// Gives `slot` back, to who comes next.
    pub fn release(&self, slot: u32) {
        self.owner(slot).store(0, Ordering::Release);
        self.next.store(slot, Ordering::Relaxed);
    }

    /// Asks the holder of every slot to end its flow.
    pub fn ask_to_leave(&self) {
        for (slot, _) in self.held() {
            self.owner(slot).fetch_or(LEAVING, Ordering::AcqRel);
        }
    }

    /// Whether the holder of `slot` is asked to end its flow.
    pub fn is_to_leave(&self, slot: u32) -> bool {
        self.owner(slot).load(Ordering::Acquire) & LEAVING != 0
    }

    /// Whether a living process holds a slot.
    pub fn is_in_use(&self) -> bool {
        self.held().any(|(_, state)| Process::from_bits(state.owner).is_alive())
    }

    /// Lays `piece` at `place` (below [`rtp_common::timeline::PIECES`]) of `slot`. A packet that was held up may be
    /// looking there at this moment: while it is laid, the piece is for no packet.
    pub fn lay(&self, slot: u32, place: usize, piece: Piece) {
        // SAFETY: a mapped entry, and an index that is checked.
        unsafe {
            let there = &raw mut (*self.entries.entry(slot)).pieces[place];
            ptr::write_volatile(&raw mut (*there).first, u64::MAX);
            fence(Ordering::Release);
            ptr::write_volatile(there, Piece { first: u64::MAX, ..piece });
            fence(Ordering::Release);
            ptr::write_volatile(&raw mut (*there).first, piece.first);
        }
    }

    /// Shows how late the flow in `slot` is.
    pub fn show(&self, slot: u32, lateness: &Lateness) {
        let entry = self.entries.entry(slot);
        // SAFETY: a mapped entry, whose fields the program does not touch.
        unsafe {
            ptr::write_volatile(&raw mut (*entry).underruns, lateness.underruns as u32);
            ptr::write_volatile(&raw mut (*entry).late, lateness.late);
            ptr::write_volatile(&raw mut (*entry).worst_late, lateness.worst_ns);
        }
    }

    /// Shows which headers a prepared file's flow in `slot` has come to.
    pub fn show_numbers(&self, slot: u32, next_sequence: u16, last_timestamp: u32) {
        let entry = self.entries.entry(slot);
        // SAFETY: a mapped entry, whose fields the program does not touch in such a flow.
        unsafe {
            ptr::write_volatile(&raw mut (*entry).next_sequence, u32::from(next_sequence));
            ptr::write_volatile(&raw mut (*entry).last_timestamp, last_timestamp);
        }
    }

    fn owner(&self, slot: u32) -> &AtomicU64 {
        // SAFETY: a mapped, aligned field that everyone accesses atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.entries.entry(slot)).owner) }
    }
}

/// What became of a flow's packets.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Those that were given their headers.
    pub packets: u64,
    /// Those that were dropped, by [`rtp_common::reason::Drop`].
    pub drops: [u64; DROPS],
}

/// The map `NOTES`.
#[derive(Debug)]
pub struct Notes(Shared<notes::Ring>);

impl Notes {
    /// Opens the map of that name.
    pub fn open(map: Map) -> Result<Self, MapError> {
        Shared::open(map, "NOTES").map(Self)
    }

    /// The map itself, for pinning.
    pub fn data(&self) -> &MapData {
        &self.0.data
    }

    /// Empties the ring of `slot`, which has just been claimed.
    pub fn clear(&self, slot: u32) {
        // SAFETY: a mapped entry; no packet of its flow is on its way yet.
        unsafe { ptr::write_bytes(self.0.entry(slot), 0, 1) };
    }

    /// Notes the packets from `number` on.
    pub fn lay(&self, slot: u32, number: u64, notes: impl IntoIterator<Item = Note>) {
        let ring = self.0.entry(slot).cast::<u32>();
        for (number, note) in (number..).zip(notes) {
            // SAFETY: the index is below the ring's length.
            unsafe { ptr::write_volatile(ring.add(notes::index(number)), notes::entry(number, note)) };
        }
    }
}

/// The map `SOCKETS`.
#[derive(Debug)]
pub struct Sockets(Map);

impl Sockets {
    /// Opens the map of that name.
    pub fn open(map: Map) -> Result<Self, MapError> {
        SkStorage::<_, Slot>::try_from(&map).map_err(MapError::Kind)?;
        Ok(Self(map))
    }

    /// The map itself, for pinning.
    pub fn data(&self) -> &MapData {
        match &self.0 {
            Map::SkStorage(data) => data,
            _ => unreachable!("`open` has seen to its kind"),
        }
    }

    /// Makes `socket`, whose cookie is `cookie`, the one of the flow in `slot`.
    /// Ends with the socket.
    pub fn name(&mut self, socket: &impl AsRawFd, cookie: u64, slot: u32) -> Result<(), MapError> {
        let mut sockets = SkStorage::try_from(&mut self.0).map_err(MapError::Kind)?;
        sockets.insert(socket, Slot { cookie, index: slot, reserved: 0 }, 0).map_err(MapError::Kind)
    }
}
