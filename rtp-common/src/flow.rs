//! A flow's state: one entry of the map `FLOWS`, shared memory between user
//! space (which maps it) and the program.

use crate::reason::DROPS;
use crate::timeline::{PIECES, Piece};
use bytemuck::{Pod, Zeroable};

/// One flow. The first part is written by user space, before the first packet
/// and (timeline, lateness) between batches; the second by the program alone. The
/// parts share no cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct FlowState {
    /// Who holds this slot: process id in the high half, its start time (low
    /// 32 bits, clock ticks since boot) in the low half. Zero: free.
    pub owner: u64,
    /// Socket cookie (`SO_COOKIE`).
    pub cookie: u64,
    /// Synchronization source, host order.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Address family: 4 or 6.
    pub family: u8,
    /// `skb->priority` to give back to the packet.
    pub priority: u32,
    /// The interface the flow leaves through.
    pub ifindex: u32,
    /// The segmenter's index; zero: none, datagrams come one by one.
    pub segmenter: u32,
    /// One: full UDP checksum, from the noted sums. Zero: no checksum (IPv4).
    pub checksum: u32,
    /// Destination address, network order; IPv4 in the first four octets.
    pub destination: [u8; 16],
    /// Source address, likewise.
    pub source: [u8; 16],
    /// Destination port, host order.
    pub destination_port: u16,
    /// Source port, host order.
    pub source_port: u16,
    /// Clock rate of the timestamps, Hz.
    pub clock_rate: u32,
    /// Octets of a full payload.
    pub payload: u32,
    /// Times that the sender woke when a packet should have left.
    pub underruns: u32,
    /// Packets that were handed over more than 10 ms after they were due.
    pub late: u64,
    /// The latest of them, nanoseconds.
    pub worst_late: u64,
    /// One: a prepared file's flow, whose packets have their headers and carry
    /// [`crate::carrier::COUNTED`]. The program only counts them.
    pub prepared: u32,
    /// Zero.
    pub reserved: [u32; 5],
    /// The timeline's pieces, used in turn; each packet's note names its own.
    pub pieces: [Piece; PIECES],

    /// Packets given their header (of a prepared file: that passed with it).
    /// Sequence numbers count this, so a gap on the wire is loss on the wire.
    pub packets: u64,
    /// Payload octets of those packets (RFC 3550 §6.4.1).
    pub octets: u64,
    /// Number of the packet after the last one seen.
    pub next_number: u64,
    /// When the last packet left the program (or its departure time, if it has
    /// one), nanoseconds of `CLOCK_MONOTONIC`.
    pub last_departure: u64,
    /// Sequence number the next packet gets. Of a prepared file, where the
    /// program reads no headers, user space writes this and the next field.
    pub next_sequence: u32,
    /// RTP timestamp of the last packet.
    pub last_timestamp: u32,
    /// Batches handed to the segmenter (of a prepared file: that passed).
    pub batches: u64,
    /// Packets dropped, by [`crate::reason::Drop`].
    pub drops: [u64; DROPS],
    /// Zero.
    pub reserved_2: [u64; 6],
}

const _: () = {
    assert!(size_of::<FlowState>() == 1024);
    assert!(core::mem::offset_of!(FlowState, pieces) == 128);
    assert!(core::mem::offset_of!(FlowState, packets) == 896);
};

/// What a flow's socket carries in the map `SOCKETS`: its place in `FLOWS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Slot {
    /// The socket's cookie: a packet outlives its closed socket in a
    /// neighbour's queue, and meanwhile another flow can be given the place.
    pub cookie: u64,
    /// Index into `FLOWS` and `NOTES`.
    pub index: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Slot>() == 16);

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, integers only, no implicit padding (bytemuck's derive of
// `Pod` would not compile otherwise).
unsafe impl aya::Pod for FlowState {}

#[cfg(feature = "user")]
// SAFETY: as above.
unsafe impl aya::Pod for Slot {}
