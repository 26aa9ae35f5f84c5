//! The sender threads: one for each core, each with its share of the streams,
//! in the order in which they are due.

use super::player::{Player, Turn};
use crate::{
    engine::{SendError, Totals},
    monotonic::now,
    pace::Lateness,
    stop::Stop,
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// Streams of one thread begin within this time, so that they do not all send
/// at once for ever. Nanoseconds.
const SPREAD: u64 = 20_000_000;
/// How late a sleep may end for the kernel's convenience, nanoseconds.
const SLACK: libc::c_ulong = 10_000;
/// How long a packet may stay in a qdisc after its time, nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// How often others are told how far a stream is, nanoseconds.
const TOLD_EVERY: u64 = 100_000_000;

/// How far the senders are, all together.
#[derive(Debug, Default)]
pub struct Progress {
    /// Payload octets of every stream's first flow.
    pub octets: AtomicU64,
    /// Their packets.
    pub packets: AtomicU64,
    /// Of these, handed over late.
    pub late: AtomicU64,
}

/// How one stream went.
#[derive(Debug)]
pub struct Outcome {
    /// Its place among the streams.
    pub stream: usize,
    /// Each flow's totals.
    pub totals: Vec<Totals>,
    /// How late its packets were handed over.
    pub lateness: Lateness,
    /// From its beginning to its end.
    pub elapsed: Duration,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Why it ended before its end, if it failed.
    pub error: Option<SendError>,
}

/// Starts the senders for `players`; each answers when all its streams have ended.
pub fn start(
    players: Vec<Player>,
    stop: &Stop,
    progress: &Arc<Progress>,
) -> io::Result<Vec<oneshot::Receiver<Vec<Outcome>>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(players.len());
    let mut shares: Vec<Vec<Stream>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, player) in players.into_iter().enumerate() {
        shares[number % threads].push(Stream { number, player, begun: 0, seen: Seen::default() });
    }
    shares.into_iter().map(|share| start_one(share, stop.clone(), Arc::clone(progress))).collect()
}

fn start_one(
    streams: Vec<Stream>,
    stop: Stop,
    progress: Arc<Progress>,
) -> io::Result<oneshot::Receiver<Vec<Outcome>>> {
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name("krtp-sender".into()).spawn(move || {
        // A signal in the middle of `sendfile` would leave a datagram open.
        block_signals();
        sleep_exactly();
        let outcomes = Sender { streams, stop, progress, outcomes: Vec::new() }.run();
        // Nobody listens any more only if the process is on its way out.
        let _ = done.send(outcomes);
    })?;
    Ok(ended)
}

/// One stream of a sender.
struct Stream {
    number: usize,
    player: Player,
    begun: u64,
    seen: Seen,
}

/// What others were told of a stream.
#[derive(Clone, Copy, Default)]
struct Seen {
    packets: u64,
    octets: u64,
    late: u64,
    at: u64,
}

struct Sender {
    streams: Vec<Stream>,
    stop: Stop,
    progress: Arc<Progress>,
    outcomes: Vec<Outcome>,
}

impl Sender {
    fn run(mut self) -> Vec<Outcome> {
        let mut queue = self.begin();
        while let Some(Reverse((due, place))) = queue.pop() {
            if !self.stop.sleep_until(due) {
                queue.push(Reverse((due, place)));
                break;
            }
            let player = &mut self.streams[place].player;
            match player.turn(now()) {
                Ok(Turn::At(next)) => queue.push(Reverse((next, place))),
                Ok(Turn::Ended) => {
                    let stopped = player.is_stopped();
                    self.end(place, stopped, None);
                    continue;
                }
                Err(error) => {
                    self.end(place, false, Some(error));
                    continue;
                }
            }
            self.tell(place);
        }
        // Stopped: what is left has been handed over in part.
        for Reverse((_, place)) in queue {
            self.end(place, true, None);
        }
        self.see_off();
        self.outcomes
    }

    /// Waits until everything has left that was handed over: what waits in a
    /// qdisc is lost if the qdisc goes with us, and if a clsact qdisc does,
    /// which empties the interface's others.
    fn see_off(&self) {
        let leaves = self.streams.iter().map(|stream| stream.player.last_leaves()).max().unwrap_or_default();
        let flows = || self.streams.iter().flat_map(|stream| stream.player.flows());
        let waiting = || flows().map(|flow| flow.waiting()).sum::<u64>();
        let mut least = waiting();
        if least > 0 {
            thread::sleep(Duration::from_nanos(leaves.saturating_sub(now())));
        }
        let mut deadline = now() + PATIENCE;
        while least > 0 && now() < deadline {
            thread::sleep(Duration::from_millis(1));
            let left = waiting();
            if left < least {
                (least, deadline) = (left, now() + PATIENCE);
            }
        }
    }

    fn begin(&mut self) -> BinaryHeap<Reverse<(u64, usize)>> {
        let start = now();
        let share = SPREAD / self.streams.len().max(1) as u64;
        for (stream, offset) in self.streams.iter_mut().zip(0..) {
            stream.begun = start + offset * share;
            stream.player.start(stream.begun);
        }
        (0..self.streams.len()).map(|place| Reverse((self.streams[place].begun, place))).collect()
    }

    fn end(&mut self, place: usize, stopped: bool, error: Option<SendError>) {
        self.tell_now(place);
        let Stream { number, player, begun, .. } = &mut self.streams[place];
        let error = error.or_else(|| player.check().err());
        self.outcomes.push(Outcome {
            stream: *number,
            totals: player.flows().iter().map(|flow| flow.totals()).collect(),
            lateness: player.lateness(),
            elapsed: Duration::from_nanos(now().saturating_sub(*begun)),
            stopped,
            error,
        });
    }

    /// Tells others how far the stream in `place` is, now and then.
    fn tell(&mut self, place: usize) {
        if now() - self.streams[place].seen.at > TOLD_EVERY {
            self.tell_now(place);
        }
    }

    fn tell_now(&mut self, place: usize) {
        let Stream { player, seen, .. } = &mut self.streams[place];
        player.show();
        let (packets, octets) = player.sent();
        let late = player.lateness().late;
        self.progress.packets.fetch_add(packets - seen.packets, Ordering::Relaxed);
        self.progress.octets.fetch_add(octets - seen.octets, Ordering::Relaxed);
        self.progress.late.fetch_add(late - seen.late, Ordering::Relaxed);
        *seen = Seen { packets, octets, late, at: now() };
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

/// Sleeps end within 50 µs of their time if nothing else is said, which is
/// more than a packet lasts at 100 Mb/s.
fn sleep_exactly() {
    // SAFETY: a number for this thread, no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK, 0, 0, 0) };
}
