//! The kernel engine: `sendfile` hands over a batch, the program on the
//! interface writes the headers.

use super::{
    Flow, Outline, SendError, Setting, Totals,
    missing::Missing,
    outlet::Outlet,
    registration::{OpenError, Registration, describe},
    sendfile::Hand,
};
use crate::{
    kernel::attach::SharedMaps,
    media::{plan::Batch, source::Source},
    monotonic::now,
    net::{
        hindrance,
        route::{Ends, NextHop},
        socket::FlowSocket,
    },
    pace::Lateness,
    stop::Stop,
};
use rtp_common::{
    carrier,
    flow::FlowState,
    notes::Note,
    reason::Drop as Reason,
    timeline::{PIECES, Piece},
};
use std::fs::File;

/// Longest payload to which the kernel makes room for a header:
/// `bpf_skb_adjust_room` grows no packet beyond four pages (`SKB_MAX_ALLOC`),
/// less what it keeps there for itself. Matters on a loopback only.
pub const LONGEST_PAYLOAD: u32 = 15_800;

/// One flow of the kernel engine.
#[derive(Debug)]
pub struct KernelFlow {
    // Dropped before the socket: none but this flow's packets find its slot.
    registration: Registration,
    outlet: Outlet,
    /// Number of the next packet, as the program will know it.
    number: u64,
    missing: Missing,
    path: Path,
    hand: Hand,
    /// The newest piece of the timeline, and its place in the flow's state.
    piece: Piece,
    place: usize,
    stop: Stop,
}

impl KernelFlow {
    /// Registers `socket` as a flow of the program whose maps these are.
    pub fn open(
        maps: &SharedMaps,
        socket: FlowSocket,
        setting: Setting,
        path: Path,
        stop: Stop,
    ) -> Result<Self, OpenError> {
        let outlet = Outlet::of_payloads(socket, setting, path.segmenter.is_some());
        let outlet = outlet.map_err(OpenError::of("UDP_SEGMENT"))?;
        // Copies for listeners on this host are made before the interface:
        // they would have no headers.
        if outlet.outline.destination.ip().is_multicast() {
            outlet.socket.set_multicast_loop(false).map_err(OpenError::of("IP_MULTICAST_LOOP"))?;
        }
        let segmenter = path.segmenter.unwrap_or_default();
        let state = FlowState { segmenter, ..describe(&outlet.outline, path.interface) };
        let registration = Registration::of(maps, &outlet.socket, state)?;
        registration.with(|maps, slot| maps.notes.clear(slot));
        Ok(Self {
            hand: Hand::of(&outlet.socket),
            registration,
            missing: Missing::of(outlet.outline.destination),
            outlet,
            number: 0,
            path,
            piece: Piece::default(),
            place: 0,
            stop,
        })
    }

    /// Lays the pieces that are new, and notes of each of the `packets` from
    /// number `first` on where it lies and what its payload sums to.
    fn lay(&mut self, first: u64, packets: usize, pieces: &[Piece], sums: &[u16]) {
        let mut places = [0; PIECES];
        for (&piece, place) in pieces.iter().zip(&mut places) {
            if piece != self.piece {
                self.piece = piece;
                self.place = (self.place + 1) % PIECES;
                self.registration.with(|maps, slot| maps.flows.lay(slot, self.place, piece));
            }
            *place = self.place;
        }
        let last = first + packets as u64;
        let notes = (first..last).enumerate().map(|(index, number)| {
            let piece = pieces.partition_point(|piece| piece.first <= number).saturating_sub(1);
            Note { sum: sums.get(index).copied().unwrap_or_default(), piece: places[piece] }
        });
        self.registration.with(|maps, slot| maps.notes.lay(slot, first, notes));
    }

    /// Hands over `octets` of `file` as one batch or one datagram, which
    /// begins with packet `number` of the flow.
    fn hand_over(&mut self, file: &File, offset: u64, octets: usize, number: u64) -> Result<bool, SendError> {
        self.outlet
            .socket
            .set_priority(carrier::encode(number))
            .map_err(|source| self.outlet.error(source))?;
        let sent = self.hand.over(&self.outlet.socket, file, offset, octets, &self.stop);
        sent.map_err(|source| self.outlet.error(source))
    }

    /// How many of the packets so far the program did not see. The whole way from
    /// `sendfile` to the second pass runs within the call, unless packets wait
    /// for the next hop's link-layer address.
    fn unseen(&self) -> Result<u64, SendError> {
        let destination = self.outlet.outline.destination;
        let passed = self.registration.with(|maps, slot| maps.flows.passed(slot));
        let seen = passed.packets + passed.drops.iter().sum::<u64>();
        let fatal = |&reason: &Reason| {
            passed.drops[reason as usize] > 0 && !(reason == Reason::Note && self.missing.ever())
        };
        if let Some(reason) = Reason::ALL.into_iter().find(fatal) {
            let packets = passed.drops[reason as usize];
            return Err(SendError::Dropped { destination, packets, reason: reason.words() });
        }
        let missing = self.number.checked_sub(seen);
        missing.ok_or(SendError::Miscut { destination, seen, sent: self.number })
    }

    /// Sees to it that the program saw the last batch, of `sent` packets, or that there is a reason.
    fn check_seen(&mut self, sent: u64) -> Result<(), SendError> {
        let missing = self.unseen()?;
        if !self.missing.note(missing, now()) {
            return Ok(());
        }
        let Path { interface, segmenter, next_hop } = self.path;
        let links: Vec<u32> = [interface].into_iter().chain(segmenter).collect();
        // A connected socket has its route looked for by the source that it got.
        let Outline { destination, source, .. } = &self.outlet.outline;
        let ends = Ends { destination: destination.ip(), source: Some(source.ip()) };
        let hindrance = hindrance::look(ends, &links, next_hop);
        // A next hop that answered meanwhile let packets go that waited.
        let missing = self.unseen()?;
        let now = now();
        match hindrance {
            Some(hindrance) => self.missing.explain(hindrance, missing, now),
            None if self.missing.note(missing, now) => self.missing.doubt(missing, sent, now)?,
            None => {}
        }
        Ok(())
    }
}

impl Flow for KernelFlow {
    fn send(&mut self, source: &mut Source, batch: &Batch, pieces: &[Piece]) -> Result<bool, SendError> {
        if self.missing.pauses_until().is_some_and(|until| !self.stop.sleep_until(until)) {
            return Ok(false);
        }
        if self.registration.is_to_leave() {
            return Err(SendError::Detached { destination: self.outlet.outline.destination });
        }
        self.outlet.check_mtu()?;
        let first = self.number;
        self.lay(first, batch.packets, pieces, source.sums(batch));
        if self.outlet.cuts {
            if !self.hand_over(source.file(), batch.offset, batch.octets, first)? {
                return Ok(false);
            }
        } else {
            let mut offset = batch.offset;
            let end = batch.offset + batch.octets as u64;
            for number in first..first + batch.packets as u64 {
                let octets = (end - offset).min(u64::from(self.outlet.setting().payload));
                if !self.hand_over(source.file(), offset, octets as usize, number)? {
                    return Ok(false);
                }
                offset += octets;
            }
        }
        self.number += batch.packets as u64;
        self.check_seen(batch.packets as u64)?;
        Ok(true)
    }

    fn check(&mut self) -> Result<(), SendError> {
        if !self.missing.is_in_doubt() {
            return Ok(());
        }
        let missing = self.unseen()?;
        self.missing.conclude(missing, self.number)
    }

    fn show(&mut self, lateness: &Lateness) {
        self.registration.with(|maps, slot| maps.flows.show(slot, lateness));
    }

    fn waiting(&self) -> u64 {
        self.outlet.waiting()
    }

    fn totals(&self) -> Totals {
        let state = self.registration.read();
        Totals {
            packets: state.packets,
            octets: state.octets,
            last_sequence: (state.next_sequence as u16).wrapping_sub(1),
            last_timestamp: state.last_timestamp,
            calls: self.hand.calls,
            refused: self.hand.refused,
        }
    }

    fn outline(&self) -> &Outline {
        &self.outlet.outline
    }
}

/// The way a flow's packets take.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// The interface's index.
    pub interface: u32,
    /// The segmenter's, if there is one.
    pub segmenter: Option<u32>,
    /// Who has to answer, where somebody has to.
    pub next_hop: Option<NextHop>,
}
