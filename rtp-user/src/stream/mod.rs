//! `krtp stream`: one file to one or more destinations.

mod play;
mod progress;
pub mod report;
mod setup;

use crate::{
    engine::{Checksum, source::Source},
    media::{
        self, Wish,
        identity::Identity,
        index::{Index, IndexBuilder, IndexError, cache_dir},
        plan::Plan,
    },
    net::netlink::Netlink,
    pace::Rate,
    stop::Stop,
};
use anyhow::{Context, Result, bail};
use report::Report;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

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

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the file's PCRs say.
    Pcr,
    /// As fast as the interface takes it.
    None,
    /// Payload bits per second.
    Bits(u64),
}

/// What to stream, where to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub file: PathBuf,
    /// Destinations, one flow each.
    pub to: Vec<SocketAddr>,
    /// The interface; the route's if none is named.
    pub interface: Option<String>,
    /// Which engine.
    pub engine: EngineChoice,
    /// How fast.
    pub pace: Pace,
    /// How many times; none: for ever.
    pub plays: Option<u64>,
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

/// Streams as `options` say, until the end or until `stop`.
pub async fn run(options: &Options, stop: Stop) -> Result<Report> {
    let (file, media) = media::open(&options.file, &options.wish)?;
    let rate = rate(options, &media)?;
    let plan = Plan::new(media.len, media.payload).with_context(|| options.file.display().to_string())?;
    let netlink = Netlink::open()?;
    let setup = setup::prepare(&netlink, options, &media, &plan, &stop).await?;
    if let Some(path) = &options.sdp {
        let text = setup.describe(&media, options)?;
        std::fs::write(path, text)
            .with_context(|| format!("cannot write the session description {}", path.display()))?;
    }
    eprintln!("krtp: {}", setup.choice);
    if rate.is_none() {
        eprintln!(
            "krtp: nothing says how long a packet lasts (no PCR): all timestamps are alike; give --pace BITRATE"
        );
    }

    let identity = media.identity;
    let sums = if setup.needs_sums { sums(identity, &plan) } else { crate::engine::source::Sums::None };
    let source = Source::new(file, options.file.clone(), identity, media.payload, sums);
    let player = play::Play {
        plan,
        rate,
        paced: options.pace != Pace::None,
        plays: options.plays,
        timestamp: setup.timestamp,
        stop: stop.clone(),
        progress: Arc::default(),
    };
    let progress = progress::Bar::new(&player, options.json);
    let sender = player.start(source, setup.flows)?;
    let ended = progress.follow(sender, setup.log).await?;
    if let Some(index) = ended.index {
        keep(&index);
    }
    Ok(Report::new(options, &setup.facts, &ended.outcome))
}

/// The media's rate: what the pace says, or at least what the PCRs say.
fn rate(options: &Options, media: &media::Media) -> Result<Option<Rate>> {
    let pcr = media.pcr.and_then(|span| Rate::new(span.last_octet - span.first_octet, span.ticks));
    match options.pace {
        Pace::Bits(bits) => Ok(Rate::from_bits(bits)),
        Pace::None => Ok(pcr),
        Pace::Pcr if pcr.is_some() => Ok(pcr),
        Pace::Pcr => bail!(
            "{} has no two PCRs to pace by: give its rate (--pace 4000000) or send unpaced (--pace none)",
            options.file.display()
        ),
    }
}

/// The payload sums: from the index beside the user's cache, or taken on the way.
fn sums(identity: Identity, plan: &Plan) -> crate::engine::source::Sums {
    use crate::engine::source::Sums;
    let known = cache().and_then(|directory| {
        Index::load(&directory, identity, plan.payload()).unwrap_or_else(|error| {
            tracing::info!("{error}");
            None
        })
    });
    match known {
        Some(index) => Sums::Known(index),
        None => Sums::Taken {
            builder: Some(IndexBuilder::new(identity, plan.payload(), plan.packets())),
            batch: Vec::new(),
        },
    }
}

/// A cache that cannot be written costs the next start, not this one.
fn keep(index: &Index) {
    if let Some(directory) = cache()
        && let Err(error) = index.store(&directory)
    {
        match error {
            // The file was written a moment ago: the next play knows more.
            IndexError::Unsettled { .. } => tracing::debug!("{error}"),
            error => tracing::warn!("{error}"),
        }
    }
}

fn cache() -> Option<PathBuf> {
    cache_dir(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}
