//! Step 1: whose packet is it? The flow is named by the socket itself.

use crate::maps::{FLOWS, NOTES, SOCKETS};
use aya_ebpf::{
    helpers::{bpf_sk_fullsock, generated::bpf_sk_storage_get},
    programs::TcContext,
};
use aya_log_ebpf::warn;
use core::{
    intrinsics::{AtomicOrdering::SeqCst, atomic_xadd},
    ptr,
};
use rtp_common::{
    flow::{FlowState, Slot},
    notes::{self, Note},
    reason::{Drop, Skip},
    timeline::{PIECES, Piece},
};

/// A flow and its slot.
pub struct Flow {
    pub state: *mut FlowState,
    pub slot: u32,
}

/// The flow of the socket that sent this packet.
#[inline(always)]
pub fn of_socket(ctx: &TcContext) -> Result<Flow, Skip> {
    // SAFETY: the context is valid for the program's run; the verifier makes us
    // check each pointer that a helper returns.
    let slot = unsafe {
        let sk = (*ctx.skb.skb).__bindgen_anon_2.sk;
        if sk.is_null() {
            return Err(Skip::NoSocket);
        }
        // A time-wait or request socket has no storage.
        let sk = bpf_sk_fullsock(sk);
        if sk.is_null() {
            return Err(Skip::NoSocket);
        }
        bpf_sk_storage_get(ptr::from_ref(&SOCKETS).cast_mut().cast(), sk.cast(), ptr::null_mut(), 0)
            .cast::<Slot>()
    };
    if slot.is_null() {
        return Err(Skip::NotAFlow);
    }
    // SAFETY: not null, and socket storage of type `Slot`.
    let Slot { cookie, index, .. } = unsafe { *slot };
    let flow = of_slot(index).ok_or(Skip::NotAFlow)?;
    if cookie == flow.settings().cookie { Ok(flow) } else { Err(Skip::Ended) }
}

/// The flow in `slot`.
#[inline(always)]
pub fn of_slot(slot: u32) -> Option<Flow> {
    FLOWS.get_ptr_mut(slot).map(|state| Flow { state, slot })
}

impl Flow {
    /// The part that user space writes. It may change under us: read each
    /// field once.
    #[inline(always)]
    pub fn settings(&self) -> &FlowState {
        // SAFETY: an array map's value lives as long as the map, which lives
        // as long as the program.
        unsafe { &*self.state }
    }

    /// What user space noted of packet `number`.
    #[inline(always)]
    pub fn note(&self, number: u64) -> Result<Note, Drop> {
        let ring = NOTES.get_ptr(self.slot).ok_or(Drop::Note)?;
        // SAFETY: the ring is an array map's value, the index is below its length.
        let entry = unsafe { ptr::read_volatile((*ring).as_ptr().add(notes::index(number))) };
        notes::lookup(entry, number).ok_or(Drop::Note)
    }

    /// The piece of the timeline that stands at `place`, for packet `number`. One that was held up (its next hop did
    /// not answer) may find that another, for packets behind it, stands there or is being laid: `first` tells, which
    /// user space writes before all else and once more behind it.
    #[inline(always)]
    pub fn piece(&self, place: usize, number: u64) -> Result<Piece, Drop> {
        // SAFETY: an array map's value, and within the array of pieces.
        let (piece, first) = unsafe {
            let piece = (&raw const (*self.state).pieces).cast::<Piece>().add(place & (PIECES - 1));
            (ptr::read_volatile(piece), ptr::read_volatile(&raw const (*piece).first))
        };
        if piece.first == first && piece.is_for(number) { Ok(piece) } else { Err(Drop::Note) }
    }

    /// Counts a packet that was dropped; says so the first time.
    #[cold]
    #[inline(always)]
    pub fn count_drop(&self, ctx: &TcContext, reason: Drop) {
        let counted = |index: usize| {
            // SAFETY: an array map's value.
            unsafe { atomic_xadd::<u64, u64, { SeqCst }>(&raw mut (*self.state).drops[index], 1) }
        };
        // A constant in each arm: without CAP_PERFMON the verifier takes no
        // pointer whose offset differs from path to path (`sanitize_ptr_alu`).
        let before = match reason {
            Drop::Shape => counted(Drop::Shape as usize),
            Drop::Note => counted(Drop::Note as usize),
            Drop::Room => counted(Drop::Room as usize),
            Drop::Segmenter => counted(Drop::Segmenter as usize),
        };
        if before == 0 {
            warn!(
                ctx,
                "flow in slot {}: first packet dropped for reason {} (see `krtp flows`)",
                self.slot,
                reason as u32
            );
        }
    }
}
