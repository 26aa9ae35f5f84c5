//! Step 3: the stream's entry, and what the packet changes in it.
//!
//! A stream's packets mostly come to one CPU: network cards choose the queue by
//! the addresses. Where they do not (a sender on a veth that moves between
//! CPUs), a lock in the entry keeps the counts exact. It is held for some hundred
//! instructions with softirqs off, so that who finds it taken tries again.

use crate::maps::{self, PLACES, STREAMS, Total};
use core::intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg, atomic_xchg};
use rtp_common::watch::{
    frame::Key,
    settings::Settings,
    stats::{Packet, Stream},
};

/// How often a taken lock is tried again.
const TRIES: u32 = 128;

/// Counts the packet in its stream; whether it is followed.
#[inline(always)]
pub fn arrive(settings: &Settings, key: &Key, packet: &Packet) -> bool {
    let Some(stream) = find(key).or_else(|| add(settings, key, packet)) else {
        maps::count(Total::NoPlace);
        return false;
    };
    if lock(stream) {
        // SAFETY: an array map's value, and the lock makes us the only CPU that
        // writes it. User space only reads.
        unsafe { (*stream).stats.arrive(packet, (*stream).clock_rate) };
        unlock(stream);
    } else {
        maps::count(Total::Busy);
    }
    true
}

#[inline(always)]
fn find(key: &Key) -> Option<*mut Stream> {
    // SAFETY: entries of `PLACES` are never removed or changed.
    let place = unsafe { PLACES.get(key) }?;
    STREAMS.get_ptr_mut(*place)
}

/// Gives a new stream a place.
#[inline(always)]
fn add(settings: &Settings, key: &Key, packet: &Packet) -> Option<*mut Stream> {
    let place = maps::take_place(settings.streams)?;
    let stream = STREAMS.get_ptr_mut(place)?;
    let payload_type = usize::from(packet.header.payload_type() & 127);
    // SAFETY: an array map's value that nobody else knows yet.
    unsafe {
        (*stream).key = *key;
        (*stream).clock_rate = settings.clock_rates[payload_type];
    }
    if PLACES.insert(key, place, BPF_NOEXIST).is_err() {
        // Another CPU was quicker: the place stays empty.
        return find(key);
    }
    Some(stream)
}

/// `BPF_NOEXIST` of `linux/bpf.h`.
const BPF_NOEXIST: u64 = 1;

#[inline(always)]
fn lock(stream: *mut Stream) -> bool {
    for _ in 0..TRIES {
        // SAFETY: an array map's value; the lock is accessed atomically only.
        let (_, free) = unsafe { atomic_cxchg::<u32, { SeqCst }, { SeqCst }>(&raw mut (*stream).lock, 0, 1) };
        if free {
            return true;
        }
    }
    false
}

#[inline(always)]
fn unlock(stream: *mut Stream) {
    // SAFETY: as in `lock`.
    unsafe { atomic_xchg::<u32, { SeqCst }>(&raw mut (*stream).lock, 0) };
}
