//! Samples: every row in every round, under one condition.

use super::{
    cache,
    condition::{Condition, Device},
    progress::Progress,
};
use crate::{
    cpu::{self, Cost},
    devices::{Namespace, Peer, Target, UNLIMITED},
    media::Media,
    rows::{Group, Notices, Row, Sender},
};
use anyhow::ensure;
use rtp_common::header::LEN;
use std::{collections::BTreeMap, ops::Range};

/// Packets that a row sends before its turn counts.
pub const WARM_UP: usize = 490;
/// Octets behind the IP header of a fragment: what IPv4 leaves of an MTU of 1500.
const FRAGMENT: usize = 1480;
/// Octets of a UDP header.
const UDP: usize = 8;

/// What was measured under it.
#[derive(Debug)]
pub struct Series {
    pub condition: Condition,
    /// Of each row, one for each round.
    pub samples: BTreeMap<&'static str, Vec<Cost>>,
    /// What the kernel said of sends that were to go without a copy.
    pub notices: BTreeMap<&'static str, Notices>,
    /// Rows that have none, and why.
    pub left_out: BTreeMap<&'static str, String>,
}

/// A row and its way to nowhere.
struct Lane {
    row: &'static Row,
    target: Target,
    device: Device,
    /// Who is at the other end, where there is one.
    peer: Option<Peer>,
    /// Not before it is needed where the file has to be out of the page cache: opening may read it.
    sender: Option<Box<dyn Sender>>,
}

/// Interfaces of one kind, one for each row, so that krtp's program is on nobody else's way.
pub struct Lanes(Vec<Lane>);

impl Lanes {
    /// `ifb`s are numbered from `first` on.
    pub fn open(
        namespace: &Namespace,
        rows: &[&'static Row],
        device: Device,
        first: u8,
    ) -> anyhow::Result<Self> {
        let lane = |(number, row): (u8, &&'static Row)| {
            let (target, peer) = match device {
                Device::Plain => (namespace.sink(number)?, None),
                Device::Offload => (namespace.sink_of(number, UNLIMITED)?, None),
                Device::Veth => {
                    let (target, peer) = namespace.peer(UNLIMITED)?;
                    peer.deafen()?;
                    // Who wants an answer brings a peer of its own that gives one.
                    (Target { listens: false, ..target }, Some(peer))
                }
            };
            Ok(Lane { row, target, device, peer, sender: None })
        };
        (first..).zip(rows).map(lane).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Measures every row in every round. A row that fails is left out, and the others go on.
    pub fn measure(
        &mut self,
        namespace: &Namespace,
        media: &Media,
        condition: Condition,
        mut left_out: BTreeMap<&'static str, String>,
        progress: &mut Progress,
    ) -> anyhow::Result<Series> {
        let mut samples: BTreeMap<&'static str, Vec<Cost>> = BTreeMap::new();
        let mut notices = BTreeMap::new();
        let mut turns = 0..;
        for round in 0..condition.rounds {
            for place in 0..self.0.len() {
                // Nobody always comes after the same other.
                let lane = (place + round) % self.0.len();
                let lane = &mut self.0[lane];
                let key = lane.row.key;
                progress.step(&condition, round, key);
                if left_out.contains_key(key) {
                    continue;
                }
                let packets = media.slice(turns.next().unwrap_or_default(), condition.packets + WARM_UP);
                match lane.sample(namespace, media, packets, condition.cold) {
                    Ok((sample, said)) => {
                        samples.entry(key).or_default().push(sample);
                        notices.extend(said.map(|said| (key, said)));
                    }
                    Err(error) => {
                        lane.sender = None;
                        samples.remove(key);
                        left_out.insert(key, format!("{error:#}"));
                    }
                }
            }
        }
        for lane in &mut self.0 {
            lane.sender = None;
        }
        if condition.cold {
            cache::fetch(media)?;
        }
        Ok(Series { condition, samples, notices, left_out })
    }

    /// Has every row do something, one after the other, apart from all measuring. Who cannot be opened is left out.
    pub fn each(
        &mut self,
        namespace: &Namespace,
        media: &Media,
        mut work: impl FnMut(&'static str, &mut dyn Sender),
    ) {
        for lane in &mut self.0 {
            if let Ok(mut sender) = (lane.row.open)(namespace, &lane.target, media) {
                work(lane.row.key, &mut *sender);
            }
        }
    }
}

impl Lane {
    /// What it took, and what the kernel has said since the sender was opened.
    fn sample(
        &mut self,
        namespace: &Namespace,
        media: &Media,
        packets: Range<usize>,
        cold: bool,
    ) -> anyhow::Result<(Cost, Option<Notices>)> {
        let warm_up = packets.start..packets.start + WARM_UP;
        let counted = warm_up.end..packets.end;
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => (self.row.open)(namespace, &self.target, media)?,
        };
        if cold {
            cache::drop_payloads(media, &counted)?;
        } else {
            sender.send(media, warm_up)?;
        }
        let before = self.arrived(&*sender)?;
        let cost = cpu::cost(u32::try_from(counted.len())?, || sender.send(media, counted.clone()))?;
        let arrived = self.arrived(&*sender)? - before;
        let (each, what) = self.each(&*sender, media);
        let expected = counted.len() as u64 * each;
        // A packet that is lost on its way is a cheap packet.
        ensure!(arrived == expected, "{arrived} of {expected} {what} reached {}", self.target.link.name);
        let notices = sender.notices();
        if !cold {
            self.sender = Some(sender);
        }
        Ok((cost, notices))
    }

    /// What is through, counted as [`Self::each`] says.
    fn arrived(&self, sender: &dyn Sender) -> anyhow::Result<u64> {
        match (&self.peer, sender.acknowledged()) {
            (_, Some(packets)) => Ok(packets),
            (Some(peer), None) => peer.dropped(),
            (None, None) if self.device == Device::Offload => Namespace::arrived_octets(&self.target),
            (None, None) => Namespace::arrived(&self.target),
        }
    }

    /// How much a packet counts, and of what: an interface counts fragments where a socket counts packets, and takes
    /// what UDP GSO makes for one packet.
    fn each(&self, sender: &dyn Sender, media: &Media) -> (u64, &'static str) {
        let rtp = self.row.group != Group::Download;
        if self.peer.is_some() || sender.acknowledged().is_some() {
            (1, "packets")
        } else if self.device == Device::Offload {
            ((media.payload_len + if rtp { LEN } else { 0 }) as u64, "octets")
        } else {
            (fragments(media.payload_len, rtp), "packets")
        }
    }
}

/// Packets of the interface that a payload makes, with or without an RTP header.
fn fragments(payload: usize, rtp: bool) -> u64 {
    let header = if rtp { LEN } else { 0 };
    (UDP + header + payload).div_ceil(FRAGMENT) as u64
}

#[cfg(test)]
mod tests {
    use super::fragments;

    #[test]
    fn what_is_larger_than_the_mtu_comes_in_parts() {
        for (payload, rtp, expected) in [
            (100, true, 1),
            (1460, true, 1),
            (1461, true, 2),
            (1472, false, 1),
            (1473, false, 2),
            (2900, true, 2),
            (2940, true, 2),
            (2941, true, 3),
            (4000, true, 3),
        ] {
            assert_eq!(fragments(payload, rtp), expected, "{payload}");
        }
    }
}
