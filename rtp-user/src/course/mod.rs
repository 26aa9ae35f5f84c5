//! The course of a stream: which packet is next, on which piece of the
//! timeline it lies, and what follows the end of a file.

mod item;

pub use item::Item;

use crate::{
    engine::{PIECES_PER_BATCH, SendError},
    media::{plan::Batch, source::Source},
    schedule::{self, Begin, Laid, Origin},
};
use rtp_common::timeline::{self, Piece};
use std::collections::VecDeque;

/// A stream's place in its row of files, and in time.
#[derive(Debug)]
pub struct Course {
    row: Vec<Item>,
    /// How many times the row is played; none: for ever.
    plays: Option<u64>,
    origin: Origin,
    /// Plays that are over, and which file of the row is being played.
    played: u64,
    item: usize,
    begin: Begin,
    /// The next packet, of the file.
    packet: u64,
    /// The timeline from the next packet on, as far as it is laid.
    laid: VecDeque<Laid>,
    /// Whether the piece to be laid next begins with a seam that is marked.
    seam: bool,
    /// Whether seams are marked.
    marks: bool,
    /// The pieces of the batch that was gathered last.
    pieces: Vec<Piece>,
}

impl Course {
    /// The files of `row` (at least one, each with a packet), `plays` times;
    /// `marks`: with the marker at each seam.
    pub fn new(row: Vec<Item>, plays: Option<u64>, origin: Origin, marks: bool) -> Self {
        Self {
            begin: row[0].begin(0, 0),
            packet: row[0].packets().start,
            row,
            plays,
            origin,
            played: 0,
            item: 0,
            laid: VecDeque::new(),
            seam: false,
            marks,
            pieces: Vec::with_capacity(PIECES_PER_BATCH),
        }
    }

    /// Lets the flow's time begin at `departure` (`CLOCK_MONOTONIC`, ns).
    pub fn depart_at(&mut self, departure: u64) {
        self.origin.departure = departure;
        self.laid.clear();
    }

    /// The file in hand, and the pieces of the batch that was gathered last.
    pub fn in_hand(&mut self) -> (&mut Source, &[Piece]) {
        (self.row[self.item].source(), &self.pieces)
    }

    /// Sees to it that no file of the row has changed.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.row.iter_mut().try_for_each(|item| Ok(item.source().check()?))
    }

    /// Payload octets of all plays; none if they never end.
    pub fn octets(&self) -> Option<u64> {
        let once: u64 = self.row.iter().map(Item::octets).sum();
        Some(once.saturating_mul(self.plays?))
    }

    /// When the next packet is due, after stepping over the end of a file;
    /// `None` at the end of all.
    pub fn due(&mut self) -> Result<Option<u64>, SendError> {
        while self.packet >= self.row[self.item].packets().end {
            if !self.next_item()? {
                return Ok(None);
            }
        }
        let number = self.number(self.packet);
        Ok(Some(self.laid(self.packet)?.piece.departure(number)))
    }

    /// From packet to packet at this moment, nanoseconds.
    pub fn gap(&self) -> u64 {
        self.laid.front().map_or(0, |laid| laid.piece.gap)
    }

    /// The next packets that may leave as one batch: at most `max`, and none
    /// but the first that is due after `until`. Their pieces are in hand then.
    pub fn gather(&mut self, max: usize, until: u64) -> Result<Batch, SendError> {
        let first = self.packet;
        let limit = self.row[self.item].packets().end.min(first.saturating_add(max.max(1) as u64));
        self.pieces.clear();
        let mut end = first;
        let mut due = true;
        while end < limit && due && self.pieces.len() < PIECES_PER_BATCH {
            let Laid { piece, end: stop } = self.laid(end)?;
            let stop = stop.min(limit);
            let is_due = |&packet: &u64| packet == first || piece.departure(self.number(packet)) <= until;
            let on_it = (end..stop).take_while(is_due).count() as u64;
            if on_it > 0 {
                self.pieces.push(piece);
            }
            end += on_it;
            due = end == stop;
        }
        Ok(self.row[self.item].plan().batch(first, (end - first) as usize))
    }

    /// When the `index`-th packet of the gathered batch is due.
    pub fn due_of(&self, index: usize) -> u64 {
        let number = self.number(self.packet + index as u64);
        timeline::of(&self.pieces, number).map_or(0, |piece| piece.departure(number))
    }

    /// Goes on behind a batch that was sent.
    pub fn pass(&mut self, batch: &Batch) {
        self.packet = batch.first + batch.packets as u64;
        while self.laid.front().is_some_and(|laid| laid.end <= self.packet) {
            self.laid.pop_front();
        }
    }

    /// Leaves out what is due before `now`, up to the end of the file; how
    /// many packets that were.
    pub fn skip(&mut self, now: u64) -> Result<u64, SendError> {
        let (from, end) = (self.packet, self.row[self.item].packets().end);
        let number = self.number(from);
        let mut to = from;
        while to < end {
            let Laid { piece, end: stop } = self.laid(to)?;
            let stop = stop.min(end);
            let late = (to..stop).take_while(|&packet| piece.departure(self.number(packet)) < now).count();
            to += late as u64;
            if to < stop {
                break;
            }
        }
        // The packets that are left take the numbers of those that are not.
        self.begin = self.begin_at(to, number)?;
        self.bend(to);
        Ok(to - from)
    }

    /// Moves all that is to come by `nanoseconds`.
    pub fn shift(&mut self, nanoseconds: u64) {
        self.begin.flow += schedule::ticks(nanoseconds, self.row[self.item].hertz());
        self.bend(self.packet);
    }

    /// The timeline goes on elsewhere from `packet` on.
    fn bend(&mut self, packet: u64) {
        self.packet = packet;
        self.laid.clear();
        self.seam = self.marks;
    }

    /// Number in the flow of `packet` of the file in hand.
    fn number(&self, packet: u64) -> u64 {
        self.begin.number + (packet - self.begin.packet)
    }

    /// The piece that `packet` lies on: the next one, or one that follows what
    /// is laid.
    fn laid(&mut self, packet: u64) -> Result<Laid, SendError> {
        if let Some(laid) = self.laid.iter().find(|laid| packet < laid.end) {
            return Ok(*laid);
        }
        let item = &mut self.row[self.item];
        let laid = match item.stretch(packet)? {
            Some(stretch) => schedule::piece(
                &stretch,
                item.hertz(),
                item.plan(),
                packet,
                &self.begin,
                &self.origin,
                self.seam,
            )?,
            None => Laid {
                piece: schedule::standing(packet, item.hertz(), &self.begin, &self.origin, self.seam),
                end: item.packets().end,
            },
        };
        self.seam = false;
        self.laid.push_back(laid);
        Ok(laid)
    }

    /// A play that begins with `packet` of the file in hand as `number` of the
    /// flow, on the line that it is on now.
    fn begin_at(&mut self, packet: u64, number: u64) -> Result<Begin, SendError> {
        let media = self.row[self.item].ticks_at(packet)?;
        let flow = self.begin.flow + media.saturating_sub(self.begin.media);
        Ok(Begin { packet, media, number, flow })
    }

    /// Steps to the next file, or to the first again; `false`: that was all.
    fn next_item(&mut self) -> Result<bool, SendError> {
        let over = self.begin_at(self.packet, self.number(self.packet))?;
        self.item += 1;
        if self.item == self.row.len() {
            self.played += 1;
            if self.plays.is_some_and(|plays| self.played >= plays) {
                self.item -= 1;
                return Ok(false);
            }
            self.item = 0;
        }
        self.begin = self.row[self.item].begin(over.number, over.flow);
        self.bend(self.begin.packet);
        Ok(true)
    }
}
