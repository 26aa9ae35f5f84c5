//! `krtp stream`: files to destinations, one stream or many.

mod copies;
mod facts;
mod keepers;
mod player;
mod programs;
mod progress;
mod rate;
pub mod report;
mod row;
mod sender;
mod setup;
mod way;

use crate::{
    course::Item,
    engine::Checksum,
    media::{
        Wish,
        library::{Cache, Library},
        source::SourceError,
    },
    net::{netlink::Netlink, qdisc::Kind},
    pace::{OnLate, Pace},
    stop::Stop,
};
use anyhow::{Context, Result};
use player::Player;
use progress::Bar;
use rate::Rate;
use report::Report;
use setup::{Setup, Stream};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// Which engine to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The kernel engine where it can be had, else the user engine.
    #[default]
    Auto,
    /// The kernel engine or nothing.
    Kernel,
    /// The user engine.
    User,
}

/// What to stream, where to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The files, which follow one another.
    pub files: Vec<PathBuf>,
    /// Destinations, one flow each.
    pub to: Vec<SocketAddr>,
    /// The interface; the route's if none is named.
    pub interface: Option<String>,
    /// Which qdisc it is to have; none: as it is.
    pub qdisc: Option<Kind>,
    /// Octets per second, with all headers, that this qdisc is to let one flow
    /// send; none: as it is.
    pub max_rate: Option<u32>,
    /// Which engine.
    pub engine: EngineChoice,
    /// How fast.
    pub pace: Pace,
    /// How many times; none: for ever.
    pub plays: Option<u64>,
    /// Where in the first file to begin.
    pub start: Duration,
    /// How long a play of all files lasts at most.
    pub duration: Option<Duration>,
    /// How long before they leave packets are handed over, where departure
    /// times are kept.
    pub ahead: Duration,
    /// How many packets leave together, where they are not.
    pub burst: usize,
    /// What becomes of packets that are too late.
    pub on_late: OnLate,
    /// How late they may be.
    pub max_late: Duration,
    /// Where prepared copies of files are kept, if they are to be sent.
    pub cache: Option<PathBuf>,
    /// Octets that all copies there may take.
    pub cache_size: u64,
    /// What the file is, where it does not say so itself.
    pub wish: Wish,
    /// SSRC of the first flow; random if not given, and for all others.
    pub ssrc: Option<u32>,
    /// First sequence number; random if not given.
    pub sequence: Option<u16>,
    /// First timestamp; random if not given.
    pub timestamp: Option<u32>,
    /// Time to live.
    pub ttl: Option<u8>,
    /// Differentiated services code point.
    pub dscp: Option<u8>,
    /// Source address and port (zero: any).
    pub source: Option<SocketAddr>,
    /// The UDP checksum.
    pub checksum: Checksum,
    /// Where to write a session description.
    pub sdp: Option<PathBuf>,
    /// Whether the report is JSON, and nothing else is on standard output.
    pub json: bool,
}

/// Plays the streams that `options` tell (at least one), until their end or
/// until `stop`.
pub async fn run(options: &[Options], stop: Stop) -> Result<Report> {
    let library = Library::new(Cache::of_user()?);
    let mut bar = Bar::new(options.iter().any(|options| options.json));
    let mut known = copies::Copies::default();
    let mut go_on = |done, of| {
        bar.reading(done, of);
        !stop.is_set()
    };
    let mut of_stream = |options| known.of(options, &library, &mut go_on);
    let copies = options.iter().map(&mut of_stream).collect::<Result<Vec<_>>>()?;
    let rows = options.iter().zip(&copies);
    let rows =
        rows.map(|(options, copy)| row::Row::open(options, copy.as_ref())).collect::<Result<Vec<_>>>()?;
    let netlink = Netlink::open()?;
    let media: Vec<_> = rows.iter().map(|row| row.media().clone()).collect();
    // Beginnings are read for it: nobody waits for those of many files to be stopped.
    let rate = |row: &row::Row| if stop.is_set() { None } else { row.rate(&library) };
    let rates: Vec<_> = rows.iter().map(rate).collect();
    let Setup { streams, facts, choices, log, keepers } =
        setup::prepare(&netlink, options, &media, &rates, &copies, &stop).await?;
    let described = options.iter().zip(&media).zip(&facts);
    let described = described.filter_map(|((options, media), facts)| {
        let path = options.sdp.as_ref()?;
        Some(facts.describe(media, options).map(|text| (path, text)))
    });
    let described = described.collect::<Result<Vec<_>>>()?;
    let mut clockless = row::without_clock(&rows);
    let mut players = Vec::new();
    for ((options, row), stream) in options.iter().zip(rows).zip(streams) {
        let Stream { flows, manner, sums } = stream;
        let cut = (options.start, options.duration);
        let mut items = row.items(&library, sums, cut, &mut go_on)?;
        for item in &mut items {
            match item.source().make_ready(&mut go_on) {
                // Nothing will be sent.
                Err(SourceError::Stopped { .. }) => {}
                ready => ready?,
            }
        }
        if options.pace == Pace::None {
            // An error is met again, and told, by the play.
            let mut has_none = |item: &mut Item| matches!(item.source().has_clock(&mut go_on), Ok(false));
            let sources =
                items.iter_mut().filter_map(|item| has_none(item).then(|| item.source().path().to_owned()));
            clockless.extend(sources);
        }
        players.push(Player::new(flows, items, manner));
    }
    // Not before: a stream may end before its --start.
    for (path, text) in described {
        std::fs::write(path, text)
            .with_context(|| format!("cannot write the session description {}", path.display()))?;
    }
    for choice in choices {
        bar.say(&choice);
    }
    if let Some(files) = row::in_few_words(&clockless) {
        bar.say(&format!(
            "{files}: nothing says how long a packet lasts (no PCR, no samples): \
             all timestamps of a play are alike; give --pace BITRATE"
        ));
    }
    let total = players.iter().map(Player::octets).sum();
    let paced = |(rate, options): (Option<Rate>, &Options)| {
        rate.filter(|_| options.pace != Pace::None).and_then(Rate::agreed)
    };
    bar.begin(total, rates.into_iter().zip(options).map(paced).sum());
    let progress = Arc::default();
    let senders = sender::start(players, &stop, &progress)?;
    let outcomes = bar.follow(senders, &progress, log).await?;
    let dropped = keepers.dropped(&netlink).await;
    drop(keepers);
    library.keep();
    Ok(Report::new(options, &facts, &outcomes, dropped))
}
