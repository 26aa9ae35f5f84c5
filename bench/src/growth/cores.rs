//! Packets per second of two processor cores against one, a sender thread on each.

use super::{
    Way,
    crowd::{self, Means},
};
use crate::{
    cpu,
    devices::{Namespace, Target, UNLIMITED},
    media::Media,
    rows::{Sender as _, means::flow::FlowSender},
    stats::Spread,
};
use anyhow::{Context, ensure};
use krtp::{kernel::attach::Attachment, media::library::Library};
use rtp_common::header::LEN;
use serde_json::{Value, json};
use std::{
    ops::{Range, RangeFrom},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// How long a turn sends.
const TURN: Duration = Duration::from_millis(60);
/// How long packets may be on their way after it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Packets between two looks at the time.
const STEP: usize = 490;
/// Cores that are measured.
const CORES: usize = 2;

/// What the threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interfaces {
    /// One interface, with one queue.
    One,
    /// One interface, with a queue for each core.
    Queues,
    /// An interface each.
    Each,
}

impl Interfaces {
    const ALL: [Self; 3] = [Self::One, Self::Queues, Self::Each];

    fn key(self) -> &'static str {
        match self {
            Self::One => "one_queue",
            Self::Queues => "queue_each",
            Self::Each => "interface_each",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::One => "one queue",
            Self::Queues => "a queue each",
            Self::Each => "an interface each",
        }
    }
}

/// What was measured of one way.
#[derive(Debug)]
pub struct Cores {
    /// Its name in JSON.
    pub key: String,
    /// Its name in tables.
    pub title: String,
    /// One for each round.
    pub rounds: Vec<Round>,
}

/// Packets per second, by time and by the processor time of the threads.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    by_time: f64,
    by_cpu: f64,
}

/// One round: each core alone, then both.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Packets per second of one core, the mean of both.
    pub one: f64,
    /// Both together by one alone.
    pub by_time: f64,
    /// The same with the threads' processor time in place of time: what others do on the machine falls out, and so
    /// does waiting that sleeps.
    pub by_cpu: f64,
}

impl Cores {
    /// One number of each round.
    pub fn spread(&self, of: fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of)).expect("there is a round")
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "one_packets_per_second": self.spread(|round| round.one),
            "two_by_one": self.spread(|round| round.by_time),
            "two_by_one_by_processor_time": self.spread(|round| round.by_cpu),
            "rounds": self.rounds.len(),
        })
    }
}

/// A sender thread's own.
struct Worker {
    cpu: usize,
    sender: FlowSender,
    turns: usize,
    /// Which part of the file it sends, of as many as there are workers.
    part: usize,
}

/// Workers and the way they send.
struct Team {
    key: String,
    title: String,
    // Dropped before the programs go.
    workers: Vec<Worker>,
    _attachments: Vec<Attachment>,
    targets: Vec<Target>,
}

/// Each of `ways`, with interfaces of each kind, on the last of `cpus`; nothing where there is but one.
pub fn measure(media: &Media, ways: &[Way], cpus: &[usize], rounds: u32) -> anyhow::Result<Vec<Cores>> {
    // Elsewhere than the first, which takes more interrupts, if there is a choice.
    let Some(cpus) = cpus.len().checked_sub(CORES).map(|first| &cpus[first..]) else {
        eprintln!("krtp-bench: only one processor may be used: two cores are not measured");
        return Ok(Vec::new());
    };
    let means = ways.iter().map(|way| Means::of(way.engine, media)).collect::<Result<Vec<_>, _>>()?;
    for (&way, means) in ways.iter().zip(&means) {
        crowd::check(way, means, media, CORES)?;
    }
    let namespace = Namespace::enter_new()?;
    let mut numbers = 1..;
    let mut teams = Vec::new();
    for (&way, means) in ways.iter().zip(&means) {
        for interfaces in Interfaces::ALL {
            teams.push(Team::open(way, means, interfaces, &namespace, &mut numbers, media, cpus)?);
        }
    }
    let mut all: Vec<_> =
        teams.iter().map(|team| (team.key.clone(), team.title.clone(), Vec::new())).collect();
    eprintln!("krtp-bench: two cores: measuring {rounds} rounds");
    for round in 0..rounds as usize {
        for place in 0..teams.len() {
            let place = (place + round) % teams.len();
            all[place].2.push(teams[place].round(media)?);
        }
    }
    Ok(all.into_iter().map(|(key, title, rounds)| Cores { key, title, rounds }).collect())
}

impl Team {
    fn open(
        way: Way,
        means: &Means,
        interfaces: Interfaces,
        namespace: &Namespace,
        numbers: &mut RangeFrom<u8>,
        media: &Media,
        cpus: &[usize],
    ) -> anyhow::Result<Self> {
        let segments = if way.offload { UNLIMITED } else { 1 };
        let sinks = if interfaces == Interfaces::Each { CORES } else { 1 };
        let queues = if interfaces == Interfaces::Queues { 1 + cpus[cpus.len() - 1] } else { 1 };
        let queues = u32::try_from(queues)?;
        let targets = numbers.take(sinks).map(|number| namespace.sink_with(number, segments, queues));
        let targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
        let attachments = targets.iter().map(|target| means.attach(namespace, target, CORES));
        let attachments = attachments.collect::<anyhow::Result<Vec<_>>>()?;
        let library = Library::new(None);
        let worker = |(part, &cpu): (usize, &usize)| {
            let target = part % targets.len();
            let flow = means.flow(attachments[target].as_ref(), &targets[target], media)?;
            let sender = FlowSender::new(flow, means.source(&library, media)?, ());
            Ok(Worker { cpu, sender, turns: 0, part })
        };
        let workers = cpus.iter().enumerate().map(worker).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            key: format!("{}_{}", way.key(), interfaces.key()),
            title: format!("{}, {}", way.short(), interfaces.words()),
            workers,
            _attachments: attachments.into_iter().flatten().collect(),
            targets,
        })
    }

    /// Each alone, then both.
    fn round(&mut self, media: &Media) -> anyhow::Result<Round> {
        let mut alone = [Rate::default(); CORES];
        for (worker, rate) in alone.iter_mut().enumerate() {
            *rate = self.turn(worker..worker + 1, media)?;
        }
        let both = self.turn(0..CORES, media)?;
        let mean = |of: fn(&Rate) -> f64| alone.iter().map(of).sum::<f64>() / CORES as f64;
        let one = mean(|rate| rate.by_time);
        Ok(Round { one, by_time: both.by_time / one, by_cpu: both.by_cpu / mean(|rate| rate.by_cpu) })
    }

    /// Lets some of the workers send for a while, all at once. What they send together.
    fn turn(&mut self, workers: Range<usize>, media: &Media) -> anyhow::Result<Rate> {
        let arrived =
            |team: &Self| team.targets.iter().map(Namespace::arrived_octets).sum::<anyhow::Result<u64>>();
        let before = arrived(self)?;
        let workers = &mut self.workers[workers];
        let start = Barrier::new(workers.len());
        let sent = thread::scope(|scope| {
            let running: Vec<_> =
                workers.iter_mut().map(|worker| scope.spawn(|| worker.send(media, &start))).collect();
            let ended = running.into_iter().map(|thread| thread.join().expect("a sender does not panic"));
            ended.collect::<anyhow::Result<Vec<_>>>()
        })?;
        let (mut packets, mut rate) = (0, Rate::default());
        for (sent, of_one) in sent {
            packets += sent;
            rate.by_time += of_one.by_time;
            rate.by_cpu += of_one.by_cpu;
        }
        let due = before + (packets * (LEN + media.payload_len)) as u64;
        // What met the other core on the way waits in the queue until the kernel comes back to it.
        let deadline = Instant::now() + PATIENCE;
        while arrived(self)? < due && Instant::now() < deadline {
            thread::yield_now();
        }
        let arrived = arrived(self)?;
        ensure!(arrived == due, "{}: {arrived} octets arrived of {due}", self.title);
        Ok(rate)
    }
}

impl Worker {
    /// Sends for a while. Packets, and how many it was per second.
    fn send(&mut self, media: &Media, start: &Barrier) -> anyhow::Result<(usize, Rate)> {
        cpu::stay_on(self.cpu)?;
        start.wait();
        let (begin, cpu) = (Instant::now(), cpu::of_this_thread()?);
        let mut packets = 0;
        while begin.elapsed() < TURN {
            let slice = media.slice(CORES * self.turns + self.part, STEP);
            self.turns += 1;
            packets += slice.len();
            self.sender.send(media, slice).with_context(|| format!("sending on processor {}", self.cpu))?;
        }
        let (time, cpu) = (begin.elapsed(), cpu::of_this_thread()?.saturating_sub(cpu));
        let by = |time: Duration| packets as f64 / time.as_secs_f64();
        Ok((packets, Rate { by_time: by(time), by_cpu: by(cpu) }))
    }
}
