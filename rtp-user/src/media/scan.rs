//! The clock of a transport stream, found by reading it once from its first
//! octet to its last (ISO/IEC 13818-1 §2.4.2.2: octets between two PCRs of a
//! programme come at a constant rate).
//!
//! Nothing is read here: octets are pushed, in pieces of any length.

use super::{
    clock::{Clock, Knot},
    cone::Cone,
    pcr::{HERTZ, OCTET_IN_PACKET, PACKET, Pcr},
    psi::{Programme, Programmes},
    sync::Packets,
    unroll::{PcrCounts, Said, Unroll},
};
use bytemuck::{Pod, Zeroable};
use std::{collections::BTreeSet, ops::Range};

/// How far the tables may be before the first PCR decides. They are due ten
/// times a second (ETSI TR 101 290 §5.2.1: 0.5 s), so a stream below 64 Mbit/s has
/// them within.
pub const TABLES: u64 = 4 << 20;

/// How long a PID may be without PCRs while others have some, ticks. One is due every
/// 100 ms (§2.7.2).
const SILENCE: u64 = HERTZ;

/// What was counted in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Counts {
    /// Transport packets.
    pub packets: u64,
    /// Times that a packet did not begin where the one before ended.
    pub losses: u64,
    /// Octets in no packet.
    pub skipped: u64,
    /// Of the PCRs that are the clock.
    pub pcr: PcrCounts,
    /// Times that the clock went on on another PID, as the tables have it.
    pub moves: u64,
    /// Times that its PID had no PCR for more than a second, by the rate before, while
    /// others had some.
    pub silences: u64,
    /// The octet of the PCR before the first of these; zero without any.
    pub silent_from: u64,
    /// Its PID.
    pub silent_pid: u64,
}

/// What reading a stream once has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// PID whose PCRs are the clock, the first if it moves; none where there is no PCR.
    pub pid: Option<u16>,
    /// From the stream's first octet to behind its last; no knots where no two
    /// PCRs gave a rate.
    pub clock: Clock,
    /// What was counted.
    pub counts: Counts,
    /// The programmes ([`Programmes::all`]).
    pub programmes: Vec<Programme>,
}

/// Reads a stream from its first octet to its last.
///
/// The clock's PID is the one that was asked for, or that of the first programme
/// that has a map with a PCR PID, once a PCR has come on it. Where [`TABLES`] octets
/// do not tell, it is that of the first PCR. Unless one was asked for, the clock goes
/// where later tables have that programme's PCRs, or those of their first programme
/// where it is gone, as soon as one comes there. The octets before the first PCR last as
/// those between the first two; those behind the last as [`Unroll::lasting`] has it.
#[derive(Clone, Debug)]
pub struct Scanner {
    range: Range<u64>,
    packets: Packets,
    inner: Inner,
}

/// All but the packets' places.
#[derive(Clone, Debug)]
struct Inner {
    begin: u64,
    programmes: Programmes,
    /// PIDs with PCRs.
    pids: BTreeSet<u16>,
    pid: Option<u16>,
    /// Whether it was asked for, and stays.
    fixed: bool,
    /// The number of its programme, if a table named one.
    number: Option<u16>,
    /// PID and programme that the clock goes to with its next PCR there.
    next: Option<(u16, u16)>,
    /// The last PCR of the clock, and the last one on another PID since.
    heard: u64,
    other: Option<u64>,
    /// The first PID.
    begun: Option<u16>,
    /// PCRs from before the PID was known.
    waiting: Vec<Seen>,
    /// The next PCR of the PID is of a new time base.
    announced: bool,
    line: Line,
    /// Those of the line but for its PCRs', and of the packets' places.
    counts: Counts,
}

/// A PCR, its octet, and whether it was announced to be of a new time base.
#[derive(Clone, Copy, Debug)]
struct Seen {
    octet: u64,
    pcr: Pcr,
    flagged: bool,
}

/// From PCRs to knots.
#[derive(Clone, Debug)]
struct Line {
    begin: u64,
    unroll: Unroll,
    /// Time of the octet at which the PCRs' time begins; none before two PCRs.
    head: Option<u64>,
    cone: Cone,
    clock: Clock,
    first: Option<(u64, Pcr)>,
    /// The first usable PCR's octet.
    origin: u64,
}

impl Scanner {
    /// For the octets `range` of a file, with the PCRs of `pid` if one is asked for.
    pub fn new(range: Range<u64>, pid: Option<u16>) -> Self {
        let begin = range.start;
        let knot = Knot { octet: begin, ticks: 0 };
        let clock = Clock::new(HERTZ as u32);
        let (unroll, cone) = (Unroll::default(), Cone::new(knot));
        let line = Line { begin, unroll, head: None, cone, clock, first: None, origin: begin };
        let inner = Inner {
            begin,
            programmes: Programmes::default(),
            pids: BTreeSet::new(),
            pid,
            fixed: pid.is_some(),
            number: None,
            next: None,
            heard: 0,
            other: None,
            begun: pid,
            waiting: Vec::new(),
            announced: false,
            line,
            counts: Counts::default(),
        };
        Self { range, packets: Packets::default(), inner }
    }

    /// Takes the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let inner = &mut self.inner;
        self.packets.push(octets, |at, packet| inner.packet(inner.begin + at, packet));
    }

    /// The clock so far.
    pub fn clock(&self) -> &Clock {
        &self.inner.line.clock
    }

    /// The clock's PID and its first PCR with its octet, once both are known.
    pub fn first(&self) -> Option<(u64, Pcr)> {
        self.inner.line.first
    }

    /// PIDs that had PCRs so far, in order.
    pub fn pids(&self) -> impl Iterator<Item = u16> {
        self.inner.pids.iter().copied()
    }

    /// Chooses among the PIDs seen so far, as if [`TABLES`] octets had passed.
    pub fn choose(&mut self) {
        self.inner.choose(true);
    }

    /// All octets of the range have come.
    pub fn finish(mut self) -> Scan {
        self.choose();
        self.inner.hear();
        let Inner { begun: pid, programmes, line, counts, .. } = self.inner;
        let counts = Counts {
            losses: self.packets.losses(),
            skipped: self.packets.skipped() + self.packets.left(),
            pcr: line.unroll.counts(),
            ..counts
        };
        let clock = line.finish(self.range.end);
        Scan { pid, clock, counts, programmes: programmes.all().to_vec() }
    }
}

impl Inner {
    #[inline]
    fn packet(&mut self, at: u64, packet: &[u8; PACKET]) {
        self.counts.packets += 1;
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        if self.programmes.wants(pid) && self.programmes.push(pid, packet) {
            self.choose(at - self.begin > TABLES);
            self.follow();
        }
        // An adaptation field with a PCR, or that announces one.
        if packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x90 != 0 {
            self.adaptation(at, pid, packet);
        }
    }

    fn adaptation(&mut self, at: u64, pid: u16, packet: &[u8; PACKET]) {
        if self.pid.is_some_and(|of| of == pid) && Pcr::announces_new_base(packet) {
            self.announced = true;
        }
        let Some(pcr) = Pcr::parse(packet) else { return };
        self.pids.insert(pid);
        let seen = Seen { octet: at + OCTET_IN_PACKET, pcr, flagged: Pcr::announces_new_base(packet) };
        match self.pid {
            Some(of) if of == pid => {
                self.hear();
                self.heard = seen.octet;
                self.line.push(Seen { flagged: self.announced, ..seen });
                self.announced = false;
            }
            Some(_) => match self.next.take_if(|(next, _)| *next == pid) {
                Some((_, number)) => {
                    (self.pid, self.number) = (Some(pid), Some(number));
                    (self.announced, self.heard, self.other) = (false, seen.octet, None);
                    self.counts.moves += 1;
                    self.line.push(seen);
                }
                None => self.other = Some(seen.octet),
            },
            None => {
                self.waiting.push(seen);
                self.choose(at - self.begin > TABLES);
            }
        }
    }

    /// Chooses the clock's PID if what is known suffices, or has to.
    fn choose(&mut self, now: bool) {
        if self.pid.is_some() {
            return;
        }
        let Some(pid) = self.of_programme(now).or_else(|| {
            let first = self.waiting.first().map(|seen| seen.pcr.pid);
            first.filter(|_| now)
        }) else {
            return;
        };
        (self.pid, self.begun) = (Some(pid), Some(pid));
        for seen in std::mem::take(&mut self.waiting) {
            if seen.pcr.pid == pid {
                self.heard = seen.octet;
                self.line.push(seen);
            }
        }
        self.follow();
    }

    /// The PCR PID of the first programme that has one, if it has come; the
    /// maps of those before it are waited for unless it must be `now`.
    fn of_programme(&self, now: bool) -> Option<u16> {
        let programmes = self.programmes.now().iter();
        let mut told = programmes.take_while(|programme| now || programme.is_mapped());
        if now {
            return told.filter_map(|programme| programme.pcr_pid()).find(|pid| self.pids.contains(pid));
        }
        let first = told.find_map(|programme| programme.pcr_pid())?;
        self.pids.contains(&first).then_some(first)
    }

    /// Goes with the clock's programme where the tables have its PCRs now.
    fn follow(&mut self) {
        let Some(pid) = self.pid.filter(|_| !self.fixed) else { return };
        let now = self.programmes.now();
        let first = || {
            let mut mapped = now.iter().take_while(|programme| programme.is_mapped());
            mapped.find(|programme| programme.pcr_pid().is_some())
        };
        let own = match self.number {
            Some(number) => now.iter().find(|programme| programme.number == number),
            // The PID was chosen before there was a table.
            None => now.iter().find(|programme| programme.pcr_pid() == Some(pid)),
        };
        let Some(own) = own.or_else(first) else { return };
        match own.pcr_pid() {
            Some(same) if same == pid => (self.number, self.next) = (Some(own.number), None),
            next => self.next = next.map(|next| (next, own.number)),
        }
    }

    /// Notes whether others had PCRs for long since the clock had one.
    fn hear(&mut self) {
        let (Some(other), Some(pid)) = (self.other.take(), self.pid) else {
            return;
        };
        let silent = self.line.unroll.lasting(other.saturating_sub(self.heard));
        if silent.is_some_and(|ticks| ticks > SILENCE) {
            if self.counts.silences == 0 {
                (self.counts.silent_from, self.counts.silent_pid) = (self.heard, pid.into());
            }
            self.counts.silences += 1;
        }
    }
}

impl Line {
    fn push(&mut self, seen: Seen) {
        self.first.get_or_insert((seen.octet, seen.pcr));
        match self.unroll.push(seen.octet, seen.pcr, seen.flagged) {
            Said::Begin(knot) => self.origin = knot.octet,
            Said::Next(knot) => self.lay(knot),
            Said::Nothing => {}
        }
    }

    fn lay(&mut self, knot: Knot) {
        let head = match self.head {
            Some(head) => head,
            None => self.lay_head(knot),
        };
        self.keep_before(Knot { ticks: head.saturating_add(knot.ticks), ..knot });
    }

    /// Lays what is before `knot`, the second usable PCR; returns the time of
    /// the first.
    fn lay_head(&mut self, knot: Knot) -> u64 {
        let first = self.origin;
        let (before, octets) = (u128::from(first - self.begin), u128::from(knot.octet - first));
        let ticks = before * u128::from(knot.ticks) / octets;
        let head = u64::try_from(ticks).unwrap_or(u64::MAX);
        self.head = Some(head);
        self.clock.push(Knot { octet: self.begin, ticks: 0 });
        if first > self.begin {
            self.keep_before(Knot { octet: first, ticks: head });
        }
        head
    }

    fn keep_before(&mut self, knot: Knot) {
        if let Some(kept) = self.cone.push(knot) {
            self.clock.push(kept);
        }
    }

    /// The clock up to `end`, which lies behind all PCRs.
    fn finish(mut self, end: u64) -> Clock {
        if let (Some(head), Some(last)) = (self.head, self.unroll.last())
            && let Some(tail) = self.unroll.lasting(end - last.octet)
        {
            let ticks = head.saturating_add(last.ticks).saturating_add(tail);
            self.keep_before(Knot { octet: end, ticks });
            if let Some(kept) = self.cone.finish() {
                self.clock.push(kept);
            }
        }
        self.clock
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "follow_tests.rs"]
mod follow_tests;

#[cfg(test)]
#[path = "film_tests.rs"]
mod film_tests;
