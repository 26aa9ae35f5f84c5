//! The sender thread: batch after batch, each when it is due.

use crate::{
    engine::{Flow, SendError, Totals, source::Source},
    media::{index::Index, plan::Plan},
    pace::{Lateness, Rate},
    stop::Stop,
};
use rtp_common::timeline::Piece;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// What is sent, and when.
#[derive(Debug)]
pub struct Play {
    /// The file's packets.
    pub plan: Plan,
    /// How long they last, where known.
    pub rate: Option<Rate>,
    /// Whether to wait until they are due.
    pub paced: bool,
    /// How many times; none: for ever.
    pub plays: Option<u64>,
    /// Timestamp of each flow's first packet.
    pub timestamp: u32,
    /// Ends it.
    pub stop: Stop,
    /// Where others may look.
    pub progress: Arc<Progress>,
}

/// How far the sender is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Payload octets of the first flow so far.
    pub octets: AtomicU64,
    /// Packets of the first flow so far.
    pub packets: AtomicU64,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// Each flow's totals.
    pub totals: Vec<Totals>,
    /// How late batches left.
    pub lateness: Lateness,
    /// From the first batch to after the last.
    pub elapsed: Duration,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Why it ended before its end, if it failed.
    pub error: Option<SendError>,
}

/// What is left when the sender has ended.
#[derive(Debug)]
pub struct Ended {
    /// How it went.
    pub outcome: Outcome,
    /// The index, if this play completed one.
    pub index: Option<Index>,
}

impl Play {
    /// Starts the sender; the answer comes when it has ended.
    pub fn start(self, source: Source, flows: Vec<Box<dyn Flow>>) -> io::Result<oneshot::Receiver<Ended>> {
        let (done, ended) = oneshot::channel();
        thread::Builder::new().name("krtp-sender".into()).spawn(move || {
            // A signal in the middle of `sendfile` would leave a datagram open.
            block_signals();
            let mut sender = Sender { play: self, source, flows, lateness: Lateness::default(), index: None };
            let outcome = sender.run();
            let index = sender.index.take();
            // Flows end here, before anybody takes the program away.
            drop(sender);
            // Nobody listens any more only if the process is on its way out.
            let _ = done.send(Ended { outcome, index });
        })?;
        Ok(ended)
    }
}

struct Sender {
    play: Play,
    source: Source,
    flows: Vec<Box<dyn Flow>>,
    lateness: Lateness,
    index: Option<Index>,
}

impl Sender {
    fn run(&mut self) -> Outcome {
        let start = Instant::now();
        let mut play = 0;
        let result = loop {
            if self.play.plays.is_some_and(|plays| play >= plays) {
                break Ok(true);
            }
            match self.play_once(play, start) {
                Ok(true) => play += 1,
                other => break other,
            }
            if let Some(index) = self.source.take_index() {
                self.source.use_index(index.clone());
                self.index = Some(index);
            }
        };
        Outcome {
            totals: self.flows.iter().map(|flow| flow.totals()).collect(),
            lateness: self.lateness,
            elapsed: start.elapsed(),
            stopped: matches!(result, Ok(false)),
            error: result.err(),
        }
    }

    /// The file from beginning to end; `Ok(false)`: stopped before.
    fn play_once(&mut self, play: u64, start: Instant) -> Result<bool, SendError> {
        let Play { plan, rate, .. } = self.play;
        let played = u128::from(play) * u128::from(plan.octets());
        self.lay_piece(play * plan.packets(), played, plan.payload());
        let burst = match rate {
            Some(rate) if self.play.paced => rate.burst(plan.payload()),
            _ => usize::MAX,
        };
        let max = self.flows.iter().map(|flow| flow.max_batch()).min().unwrap_or(1).min(burst);
        let mut packet = 0;
        while packet < plan.packets() {
            let batch = plan.batch(packet, max);
            if !self.wait(start, played + u128::from(batch.offset)) {
                return Ok(false);
            }
            self.source.prepare(&batch)?;
            for flow in &mut self.flows {
                if !flow.send(&mut self.source, &batch)? {
                    return Ok(false);
                }
            }
            packet += batch.packets as u64;
            self.play.progress.packets.fetch_add(batch.packets as u64, Ordering::Relaxed);
            self.play.progress.octets.fetch_add(batch.octets as u64, Ordering::Relaxed);
        }
        Ok(true)
    }

    fn lay_piece(&mut self, first: u64, played: u128, payload: u32) {
        let timestamp = self.play.timestamp;
        for flow in &mut self.flows {
            let clock_rate = flow.setting().clock_rate;
            let piece = self
                .play
                .rate
                .and_then(|rate| rate.piece(first, played, timestamp, clock_rate, payload))
                .unwrap_or(Piece { first, timestamp, ..Piece::default() });
            flow.lay(piece);
        }
    }

    /// Waits until what stands behind `octets` of the media is due; `false`:
    /// stopped.
    fn wait(&mut self, start: Instant, octets: u128) -> bool {
        let Some(rate) = self.play.rate.filter(|_| self.play.paced) else {
            return !self.play.stop.is_set();
        };
        let due = rate.duration(octets);
        if !self.play.stop.sleep_until(start + due) {
            return false;
        }
        self.lateness.note(due, start.elapsed());
        true
    }
}

fn block_signals() {
    // SAFETY: a signal set of this thread's own, filled before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
}
