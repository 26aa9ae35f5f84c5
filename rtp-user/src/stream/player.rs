//! One stream: the course through its files, played to one or more flows. Says
//! when it wants to be called again; waiting is the sender's.

use crate::{
    course::{Course, Item},
    engine::{Flow, SendError},
    media::plan::Batch,
    pace::{LATE, Lateness, OnLate, Pacing},
    schedule::Origin,
};

/// How soon after its beginning a stream's first packet is due: time to hand
/// it over before.
const LEAD: u64 = 20_000_000;
/// What is handed over ahead is handed over in turns of this part of it, all
/// streams together.
const GRID: u64 = 8;
/// Where packets leave as they are sent, wake-ups are rounded to multiples of
/// this many nanoseconds at most, so that streams wake together. A power of two.
const TICK: u64 = 1 << 21;
/// And to no more than this part of the time that a burst stands for: one must
/// not catch up with the next.
const SHARE: u64 = 4;

/// What a stream wants after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another turn at this time (`CLOCK_MONOTONIC`, ns); zero: as soon as possible.
    At(u64),
    /// Nothing more.
    Ended,
}

/// How a stream is played.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How many times; none: for ever.
    pub plays: Option<u64>,
    /// When packets leave.
    pub pacing: Pacing,
    /// What to do when they cannot leave in time.
    pub on_late: OnLate,
    /// How late they may be, nanoseconds.
    pub max_late: u64,
    /// RTP timestamp of the first packet.
    pub timestamp: u32,
    /// Whether the first packet behind a seam carries the marker.
    pub marks: bool,
}

/// One stream.
#[derive(Debug)]
pub struct Player {
    flows: Vec<Box<dyn Flow>>,
    course: Course,
    pacing: Pacing,
    on_late: OnLate,
    max_late: u64,
    lateness: Lateness,
    max_batch: usize,
    packets: u64,
    octets: u64,
    stopped: bool,
    /// When the last packet that was handed over leaves.
    last_leaves: u64,
}

impl Player {
    /// A stream of the files of `row` to `flows`; neither is empty.
    pub fn new(flows: Vec<Box<dyn Flow>>, row: Vec<Item>, manner: Manner) -> Self {
        let clock_rate = flows[0].outline().setting.clock_rate;
        let origin = Origin { timestamp: manner.timestamp, clock_rate, departure: 0 };
        Self {
            max_batch: flows.iter().map(|flow| flow.outline().max_batch).min().unwrap_or(1),
            flows,
            course: Course::new(row, manner.plays, origin, manner.marks),
            pacing: manner.pacing,
            on_late: manner.on_late,
            max_late: manner.max_late,
            lateness: Lateness::default(),
            packets: 0,
            octets: 0,
            stopped: false,
            last_leaves: 0,
        }
    }

    /// Lets the flow's time begin shortly after `now`.
    pub fn start(&mut self, now: u64) {
        if self.pacing != Pacing::None {
            self.course.depart_at(now + LEAD);
        }
    }

    /// Payload octets in all; none if it plays for ever.
    pub fn octets(&self) -> Option<u64> {
        self.course.octets()
    }

    /// The flows.
    pub fn flows(&self) -> &[Box<dyn Flow>] {
        &self.flows
    }

    /// How late packets were handed over.
    pub fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// Whether a send was broken off because of a stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// When the last packet that was handed over leaves (`CLOCK_MONOTONIC`, ns).
    pub fn last_leaves(&self) -> u64 {
        self.last_leaves
    }

    /// Packets and payload octets of one flow so far.
    pub fn sent(&self) -> (u64, u64) {
        (self.packets, self.octets)
    }

    /// Sends what is due at `now`, or is to be handed over by then.
    pub fn turn(&mut self, now: u64) -> Result<Turn, SendError> {
        match self.pacing {
            Pacing::None => self.send_one(),
            Pacing::Bursts { packets, span } => self.send_bursts(now, packets, span),
            Pacing::Ahead { time, packets } => self.send_ahead(now, time, packets),
        }
    }

    fn send_one(&mut self) -> Result<Turn, SendError> {
        if self.course.due()?.is_none() {
            return Ok(Turn::Ended);
        }
        let batch = self.course.gather(self.max_batch, u64::MAX)?;
        Ok(if self.send(&batch)? { Turn::At(0) } else { Turn::Ended })
    }

    /// Few packets at a time, each burst when its middle is due: then none of
    /// it is further from its time than half its length.
    fn send_bursts(&mut self, now: u64, packets: usize, span: u64) -> Result<Turn, SendError> {
        while let Some(first) = self.course.due()? {
            let batch = self.course.gather(packets.min(self.max_batch), first + span)?;
            let last = self.course.due_of(batch.packets - 1);
            let due = first + (last - first) / 2;
            let wake = rounded(due, self.course.gap().saturating_mul(batch.packets as u64));
            if wake > now {
                return Ok(Turn::At(wake));
            }
            if now.saturating_sub(due) > LATE {
                self.lateness.underruns += 1;
                if self.is_put_right(now, first, 0)? {
                    continue;
                }
            }
            self.lateness.note(batch.packets as u64, due, now);
            if !self.send(&batch)? {
                break;
            }
        }
        Ok(Turn::Ended)
    }

    /// All that leaves within `time` from `now`, as long as no more than
    /// `packets` wait.
    fn send_ahead(&mut self, now: u64, time: u64, packets: u64) -> Result<Turn, SendError> {
        let mut ran_dry = false;
        while let Some(first) = self.course.due()? {
            let time = time.min(self.course.gap().saturating_add(1).saturating_mul(packets));
            if first > now + time {
                let grid = (time / GRID).max(1);
                return Ok(Turn::At((first - time / 2) / grid * grid));
            }
            if first < now {
                self.lateness.underruns += u64::from(!ran_dry);
                ran_dry = true;
                if self.is_put_right(now, first, LEAD)? {
                    continue;
                }
            }
            let batch = self.course.gather(self.max_batch, now + time)?;
            for packet in 0..batch.packets {
                self.lateness.note(1, self.course.due_of(packet), now);
            }
            self.last_leaves = self.course.due_of(batch.packets - 1);
            if !self.send(&batch)? {
                break;
            }
        }
        Ok(Turn::Ended)
    }

    /// Does what `--on-late` says where a packet that was due at `due` is too
    /// late; `true`: the course has changed. `lead`: how soon it can go on.
    fn is_put_right(&mut self, now: u64, due: u64, lead: u64) -> Result<bool, SendError> {
        let late = now.saturating_sub(due);
        if late <= self.max_late {
            return Ok(false);
        }
        match self.on_late {
            OnLate::Drop => self.lateness.dropped += self.course.skip(now)?,
            OnLate::Shift => {
                self.lateness.shifted_ns += late + lead;
                self.course.shift(late + lead);
            }
            OnLate::Fail => {
                let destination = self.flows[0].outline().destination;
                return Err(SendError::Late { destination, milliseconds: late / 1_000_000 });
            }
        }
        self.lateness.worst_ns = self.lateness.worst_ns.max(late);
        self.show();
        Ok(true)
    }

    /// Sends a batch to every flow; `false`: stopped.
    fn send(&mut self, batch: &Batch) -> Result<bool, SendError> {
        let (source, pieces) = self.course.in_hand();
        source.prepare(batch)?;
        for flow in &mut self.flows {
            match flow.send(source, batch, pieces) {
                Ok(true) => {}
                Ok(false) => {
                    self.stopped = true;
                    return Ok(false);
                }
                Err(error) => {
                    // A file that was cut short in the meantime is the reason, whatever the call said.
                    source.check()?;
                    return Err(error);
                }
            }
        }
        self.packets += batch.packets as u64;
        self.octets += batch.octets as u64;
        self.course.pass(batch);
        Ok(true)
    }

    /// Sees to it that all that was sent is what was indexed (files are looked at now and then only) and went its way.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.course.check()?;
        self.flows.iter_mut().try_for_each(|flow| flow.check())
    }

    /// Shows how late it is to whoever looks at the flows.
    pub fn show(&mut self) {
        for flow in &mut self.flows {
            flow.show(&self.lateness);
        }
    }
}

/// When to wake for a burst that is due at `due` and stands for `lasts`, nanoseconds. The grids of long
/// bursts are part of those of short ones.
fn rounded(due: u64, lasts: u64) -> u64 {
    let tick = TICK.min(1 << (lasts / SHARE).max(1).ilog2());
    (due + tick / 2) / tick * tick
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
