//! The cost of a packet against the number of flows, and the memory of a flow.

use super::{
    Way,
    crowd::{self, Crowd, Means, Speakers, Who},
    memory::{Memory, Now},
    series::Series,
};
use crate::{
    devices::Namespace,
    lane::{self, Lane},
    media::Media,
};
use anyhow::Context;
use krtp::media::library::Library;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{cell::RefCell, rc::Rc};

/// How many flows there are.
pub const COUNTS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
/// Flows that are opened for their memory, each with a file.
const REMEMBERED: usize = 4_000;

/// Who sends, each by its name in JSON and in tables.
const SPEAKERS: [(&str, &str, Who); 2] =
    [("one_sends", "one of them sends", Who::One(0)), ("in_turns", "all send in turns", Who::All(0))];

/// Series for each of `ways`, and what a flow takes of memory there.
pub fn measure(media: &Media, ways: &[Way], rounds: u32) -> anyhow::Result<(Vec<Series>, Vec<Memory>)> {
    // First the memory: what others have used and closed is used again, and would not be seen.
    let memory = ways.iter().map(|&way| remember(way, media)).collect::<anyhow::Result<_>>()?;
    let mut series = Vec::new();
    for &way in ways {
        series.extend(series_of(way, media, rounds)?);
    }
    Ok((series, memory))
}

/// The same for one way, without the memory: where one of the flows sends, and where all do.
pub fn series_of(way: Way, media: &Media, rounds: u32) -> anyhow::Result<[Series; 2]> {
    raise_limit()?;
    let means = Means::of(way.engine, media)?;
    crowd::check(way, &means, media, COUNTS[COUNTS.len() - 1])?;
    measure_one(way, &means, media, rounds)
}

fn raise_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("room for open files")
}

/// Opens flows with a file each, as `krtp stream` does, and lets each send.
fn remember(way: Way, media: &Media) -> anyhow::Result<Memory> {
    let means = &Means::of(way.engine, media)?;
    raise_limit()?;
    let namespace = Namespace::enter_new()?;
    let target = way.sink(&namespace, 1)?;
    let library = Library::new(None);
    // What is shared by all flows of a file is there before.
    let _shared = means.source(&library, media)?;
    let before = Now::look()?;
    let mut crowd = Crowd::open(means, &namespace, &target, media, REMEMBERED)?;
    let sources = (0..REMEMBERED).map(|_| means.source(&library, media));
    let mut sources = sources.collect::<Result<Vec<_>, _>>()?;
    crowd.send_each(&mut sources, media)?;
    before.since(way.key(), REMEMBERED, crowd.maps()?)
}

fn measure_one(way: Way, means: &Means, media: &Media, rounds: u32) -> anyhow::Result<[Series; 2]> {
    let namespace = Namespace::enter_new()?;
    let mut lanes = Vec::new();
    for (number, count) in (1..).zip(COUNTS) {
        let target = way.sink(&namespace, number)?;
        let crowd = Rc::new(RefCell::new(Crowd::open(means, &namespace, &target, media, count)?));
        lanes.extend(SPEAKERS.map(|(_, title, who)| Lane {
            name: format!("{count} flows, {}, {title}", way.title()),
            target: target.clone(),
            sender: Box::new(Speakers { crowd: Rc::clone(&crowd), who }),
        }));
    }
    eprintln!("krtp-bench: {}: measuring {rounds} rounds of up to {} flows", way.title(), COUNTS[4]);
    let samples = lane::in_turns(&mut lanes, media, rounds)?;
    let series = |place: usize| {
        let (key, title, _) = SPEAKERS[place];
        Series {
            key: format!("flows_{}_{key}", way.key()),
            title: format!("{}: {title}", way.title()),
            across: "flows",
            at: COUNTS.to_vec(),
            base: 0,
            rounds: samples
                .iter()
                .map(|round| round.iter().skip(place).step_by(SPEAKERS.len()).copied().collect())
                .collect(),
        }
    };
    Ok([series(0), series(1)])
}
