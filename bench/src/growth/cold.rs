//! Files that are not in memory: how long a sender waits for the disk, and how late packets leave, with krtp's thread
//! that reads ahead of the streams and without.

use super::{
    KERNEL,
    crowd::{self, Means},
};
use crate::{
    cpu,
    devices::{Namespace, Target},
    media::{Media, PAYLOAD},
    paths::cache,
    rows::means::flow::send_batch,
    stats::{Spread, ratios},
};
use anyhow::{Context, ensure};
use krtp::{
    engine::Flow,
    kernel::attach::Attachment,
    media::{library::Library, source::Source},
    monotonic::now,
};
use rtp_common::header::LEN;
use serde_json::{Value, json};
use std::{env, fs::File, io::Read as _, thread, time::Duration};

/// A number of flows, each with a file of its own, and how fast they send.
#[derive(Debug)]
struct Case {
    key: &'static str,
    title: &'static str,
    flows: usize,
    /// Megabits per second of each; none: as fast as it goes.
    rate: Option<u64>,
    /// Packets of a batch.
    batch: usize,
    /// Packets that each flow sends in a turn.
    packets: usize,
    /// Million octets of each file.
    megabytes: usize,
}

const CASES: [Case; 3] = [
    Case {
        key: "one_unpaced",
        title: "1 flow, unpaced",
        flows: 1,
        rate: None,
        batch: 49,
        packets: 196_000,
        megabytes: 2_100,
    },
    Case {
        key: "one_paced",
        title: "1 flow, 100 Mb/s",
        flows: 1,
        rate: Some(100),
        batch: 7,
        packets: 39_200,
        megabytes: 2_100,
    },
    Case {
        key: "fifty_paced",
        title: "50 flows, 20 Mb/s each",
        flows: 50,
        rate: Some(20),
        batch: 7,
        packets: 7_840,
        megabytes: 42,
    },
];
/// The first of so many parts of a turn is not counted: where nothing was read, nobody can be in time.
const UNCOUNTED: u64 = 4;
/// The same octets again and again: what they are does not matter to anyone here.
const BLOCK: usize = 40 << 20;

/// What was measured of one case.
#[derive(Debug)]
pub struct Cold {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// For each round: read ahead, and not.
    pub rounds: Vec<[Turn; 2]>,
}

/// One turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Share of its time that the sender busy asleep in calls: it waited for the disk. That it was waiting for its
    /// processor only does not count.
    pub blocked: f64,
    /// Of all batches one of 100 was handed over later than this, milliseconds. Zero where it is not paced.
    pub late: f64,
    /// The latest, milliseconds.
    pub latest: f64,
    /// Nanoseconds of its CPU time for each packet.
    pub cpu: f64,
    /// Million octets of payload per second.
    pub speed: f64,
}

impl Cold {
    /// One number of each round, with reading ahead (0) or without (1).
    pub fn spread(&self, which: usize, of: fn(&Turn) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(|round| of(&round[which]))).expect("there is a round")
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let one = |which| {
            json!({
                "blocked_share": self.spread(which, |turn| turn.blocked),
                "late_p99_ms": self.spread(which, |turn| turn.late),
                "latest_ms": self.spread(which, |turn| turn.latest),
                "ns_per_packet": self.spread(which, |turn| turn.cpu),
                "megabytes_per_second": self.spread(which, |turn| turn.speed),
            })
        };
        let speeds = |which: usize| self.rounds.iter().map(|round| round[which].speed).collect::<Vec<_>>();
        json!({
            "ahead": one(0),
            "on_demand": one(1),
            "ahead_by_on_demand_speed": Spread::of(ratios(&speeds(0), &speeds(1))),
            "rounds": self.rounds.len(),
        })
    }
}

/// The files of a case, and the flows that send them.
struct Stage {
    case: &'static Case,
    files: Vec<Media>,
    // Dropped before the program goes.
    flows: Vec<Box<dyn Flow>>,
    _attachment: Option<Attachment>,
    target: Target,
    /// Which part of the files comes next.
    turns: usize,
}

/// All cases, by the kernel engine; `scale`: files of so many times less.
pub fn measure(cpus: &[usize], rounds: u32, scale: usize) -> anyhow::Result<Vec<Cold>> {
    let mut block = Vec::new();
    File::open("/dev/urandom").and_then(|random| random.take(BLOCK as u64).read_to_end(&mut block))?;
    let small = Media::on_disk(&env::temp_dir(), 4 << 20, &block)?;
    crowd::check(KERNEL, &Means::Kernel, &small, 1)?;
    // The threads that read ahead may be on any processor.
    cpu::stay_on_any(cpus)?;
    let libraries = [Library::new(None), Library::without_reading_ahead(None)];
    cpu::stay()?;
    let namespace = Namespace::enter_new()?;
    let mut all = Vec::new();
    for (number, case) in (1..).zip(&CASES) {
        eprintln!(
            "krtp-bench: from the disk, {}: writing {} MB …",
            case.title,
            case.flows * case.megabytes / scale
        );
        let mut stage = Stage::open(case, &namespace, number, scale, &block)?;
        let mut measured = Vec::new();
        for round in 0..rounds {
            let mut turns = [None; 2];
            // Who comes first alternates.
            for which in [round as usize % 2, 1 - round as usize % 2] {
                turns[which] = Some(stage.turn(&libraries[which])?);
            }
            measured.push(turns.map(|turn| turn.expect("both had their turn")));
        }
        all.push(Cold { key: case.key, title: case.title, rounds: measured });
    }
    Ok(all)
}

impl Stage {
    fn open(
        case: &'static Case,
        namespace: &Namespace,
        number: u8,
        scale: usize,
        block: &[u8],
    ) -> anyhow::Result<Self> {
        let target = KERNEL.sink(namespace, number)?;
        let octets = (case.megabytes * 1_000_000 / scale).max(case.packets * PAYLOAD);
        let files = (0..case.flows).map(|_| Media::on_disk(&env::temp_dir(), octets, block));
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let attachment = Means::Kernel.attach(namespace, &target, case.flows)?;
        let flows = files.iter().map(|file| Means::Kernel.flow(attachment.as_ref(), &target, file));
        let flows = flows.collect::<anyhow::Result<_>>()?;
        Ok(Self { case, files, flows, _attachment: attachment, target, turns: 0 })
    }

    /// Sends the next part of every file, which is not in memory.
    fn turn(&mut self, library: &Library) -> anyhow::Result<Turn> {
        let case = self.case;
        // What is known of a file is known after the first turn; a source holds pages of the file and goes with the turn.
        let sources = self.files.iter().map(|file| Means::Kernel.source(library, file));
        let mut sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
        let part = self.files[0].slice(self.turns, case.packets);
        self.turns += 1;
        for file in &self.files {
            cache::drop_payloads(file, &(0..file.packets()))?;
        }
        let before = Namespace::arrived_octets(&self.target)?;
        let turn = self.send(&mut sources, part.start)?;
        let arrived = Namespace::arrived_octets(&self.target)? - before;
        let due = (case.flows * case.packets * (LEN + PAYLOAD)) as u64;
        ensure!(arrived == due, "{}: {arrived} octets arrived of {due}", case.title);
        Ok(turn)
    }

    /// Sends from packet `first` of every file on, batch by batch, each when it is due.
    fn send(&mut self, sources: &mut [Source], first: usize) -> anyhow::Result<Turn> {
        let case = self.case;
        let (batch, flows) = (case.batch as u64, case.flows as u64);
        // Nanoseconds from batch to batch of all flows together.
        let step = case.rate.map_or(0, |rate| batch * PAYLOAD as u64 * 8 * 1_000 / rate / flows);
        let batches = (case.packets / case.batch * case.flows) as u64;
        let (begin, mut blocked, mut busy, mut late) = (now(), 0, 0, Vec::new());
        let mut counted = begin;
        for turn in 0..batches {
            if turn == batches / UNCOUNTED {
                (counted, blocked, busy) = (now(), 0, 0);
                late.clear();
            }
            let due = begin + turn * step;
            if let Some(left @ 1..) = due.checked_sub(now()) {
                thread::sleep(Duration::from_nanos(left));
            }
            let (flow, place) = ((turn % flows) as usize, (turn / flows * batch) as usize);
            let (called, worked, slept) = (now(), cpu::of_this_thread()?, cpu::sleeps_of_this_thread()?);
            let file = &self.files[flow];
            send_batch(&mut *self.flows[flow], &mut sources[flow], file, first + place, case.batch)
                .context(case.title)?;
            let ended = now();
            let worked = cpu::of_this_thread()?.saturating_sub(worked).as_nanos() as u64;
            busy += worked;
            if cpu::sleeps_of_this_thread()? > slept {
                blocked += (ended - called).saturating_sub(worked);
            }
            late.push(if step == 0 { 0 } else { ended.saturating_sub(due) });
        }
        let time = (now() - counted) as f64;
        let sent = late.len() * case.batch * PAYLOAD;
        late.sort_unstable();
        let milliseconds = |of: u64| of as f64 / 1e6;
        Ok(Turn {
            blocked: blocked as f64 / time,
            late: milliseconds(late[late.len() * 99 / 100]),
            latest: milliseconds(late[late.len() - 1]),
            cpu: busy as f64 / (late.len() * case.batch) as f64,
            speed: sent as f64 * 1e3 / time,
        })
    }
}
