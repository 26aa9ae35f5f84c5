//! Ways of sending, measured in turns.

use crate::{
    cpu,
    devices::{Namespace, Target},
    media::Media,
    rows::Sender,
};
use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use rtp_common::header::LEN;
use std::ops::Range;

/// Parts of the file. Each turn sends the next one, so that no row finds its
/// payloads in a cache because another has just sent them; a prime number, so
/// that every row gets to every part.
pub const PARTS: usize = 7;
/// What benches are told that measure lanes.
#[derive(Debug, Args)]
pub struct Turns {
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Rounds; in each, every row sends a seventh of the file
    #[arg(long, default_value_t = 40, value_parser = value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Size of the file, million octets
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(8..))]
    pub megabytes: u32,
}

/// Packets that a row sends before its turn counts.
const WARM_UP: usize = 490;

/// Nanoseconds per packet: for each round, one sample per lane. Nobody always
/// comes after the same other.
pub fn in_turns(lanes: &mut [Lane], media: &Media, rounds: u32) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut turns = 0..;
    (0..rounds as usize)
        .map(|round| {
            let mut samples = vec![0.0; lanes.len()];
            for place in 0..lanes.len() {
                let lane = (place + round) % lanes.len();
                let packets = media.part(turns.next().unwrap_or_default(), PARTS);
                samples[lane] = lanes[lane].sample(media, packets)?;
            }
            Ok(samples)
        })
        .collect()
}

/// A row and its way to nowhere.
pub struct Lane {
    /// What it is called.
    pub name: String,
    /// The interface that takes its packets.
    pub target: Target,
    /// Who sends them.
    pub sender: Box<dyn Sender>,
}

impl Lane {
    fn sample(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<f64> {
        let (warm_up, counted) =
            (packets.start..packets.start + WARM_UP, packets.start + WARM_UP..packets.end);
        self.sender.send(media, warm_up)?;
        let before = Namespace::arrived_octets(&self.target)?;
        let sample =
            cpu::per_packet(u32::try_from(counted.len())?, || self.sender.send(media, counted.clone()));
        let sample = sample.with_context(|| format!("sending by {}", self.name))?;
        let arrived = Namespace::arrived_octets(&self.target)? - before;
        // A packet that is lost on its way is a cheap packet. Octets, since a batch may arrive as one.
        let sent = counted.len() * (LEN + media.payload_len);
        ensure!(
            arrived == sent as u64,
            "{}: {arrived} octets reached {}, {sent} were sent",
            self.name,
            self.target.link.name
        );
        Ok(sample)
    }
}
