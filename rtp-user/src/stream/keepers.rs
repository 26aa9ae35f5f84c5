//! Who keeps departure times: the fq of each interface that streams leave
//! through, and how a stream is paced with it or without.

use super::{Options, Pace, way::Way};
use crate::{
    kernel::qdisc::{self, Held},
    net::{
        netlink::{Link, Netlink},
        qdisc::{Departures, drops, fq::Fq, fq::Load},
    },
    pace::Pacing,
};
use anyhow::Result;
use std::collections::BTreeMap;

/// Where packets leave as they are sent, no more leave together than are due
/// within so many nanoseconds: none is then further than half of it from its time.
const BURST_SPAN: u64 = 14_000_000;
/// A variable rate may be so many times its mean for as long as is handed over ahead.
const PEAK: f64 = 4.0;

/// The qdiscs of all interfaces. An fq that krtp installed goes with it, and
/// what waits there goes too.
#[derive(Debug, Default)]
pub(super) struct Keepers(BTreeMap<u32, Keeper>);

#[derive(Debug)]
struct Keeper {
    link: Link,
    held: Held,
    /// Packets that it had dropped before.
    dropped: u64,
}

impl Keepers {
    /// Holds the fq of each interface, or installs one where that is asked for.
    /// `rates`: octets per second of each stream, where known.
    pub async fn hold(
        netlink: &Netlink,
        streams: &[Options],
        ways: &[Vec<Way>],
        rates: &[Option<f64>],
    ) -> Result<Self> {
        let mut loads = BTreeMap::new();
        for ((options, ways), rate) in streams.iter().zip(ways).zip(rates) {
            for way in ways {
                let (_, load, wish) =
                    loads.entry(way.link.index).or_insert((&way.link, Load::of_flows(0), None));
                load.flows += 1;
                load.packets_per_flow = load.packets_per_flow.max(ahead(options, *rate));
                *wish = wish.or(options.qdisc);
            }
        }
        let mut keepers = BTreeMap::new();
        for (link, load, wish) in loads.into_values() {
            let held = qdisc::hold(netlink, link, load, wish).await?;
            let dropped = drops(netlink, link).await?.all;
            keepers.insert(link.index, Keeper { link: link.clone(), held, dropped });
        }
        Ok(Self(keepers))
    }

    /// How a stream on these `ways` is paced, and the same in a few words.
    /// `without`: why its packets have no departure times, if they have none.
    pub fn pacing(&self, options: &Options, ways: &[Way], without: Option<&str>) -> (Pacing, String) {
        if options.pace == Pace::None {
            return (Pacing::None, "as fast as it goes".into());
        }
        match without.map_or_else(|| self.kept(ways), |why| Err(why.into())) {
            Ok(fq) => {
                let time = options.ahead.min(fq.horizon / 2);
                // A quarter stays free: a turn is not done at one instant.
                let packets = u64::from(fq.flow_limit) * 3 / 4;
                let milliseconds = time.as_millis();
                let how =
                    format!("fq of {} keeps departure times, up to {milliseconds} ms ahead", fq.interface);
                (Pacing::Ahead { time: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), packets }, how)
            }
            Err(why) => {
                let packets = options.burst;
                let how = format!("bursts of up to {packets} packets, as {why}");
                (Pacing::Bursts { packets, span: BURST_SPAN }, how)
            }
        }
    }

    /// The smallest fq on the ways of a stream, or why not all of them have one.
    fn kept(&self, ways: &[Way]) -> Result<&Fq, String> {
        let mut least: Option<&Fq> = None;
        for way in ways {
            match self.0.get(&way.link.index).map(|keeper| &keeper.held.departures) {
                Some(Departures::Kept(fq)) => {
                    least = Some(least.filter(|least| least.flow_limit <= fq.flow_limit).unwrap_or(fq));
                }
                Some(Departures::NotKept { why }) => return Err(why.clone()),
                None => return Err(format!("nobody asked what {} has", way.link.name)),
            }
        }
        least.ok_or_else(|| "there is no way".into())
    }

    /// Packets that the qdiscs have dropped since, of whatever sender.
    pub async fn dropped(&self, netlink: &Netlink) -> u64 {
        let mut sum = 0;
        for Keeper { link, dropped, .. } in self.0.values() {
            // An interface that has gone is reported elsewhere.
            let now = drops(netlink, link).await.map_or(*dropped, |drops| drops.all);
            sum += now.saturating_sub(*dropped);
        }
        sum
    }
}

/// Packets of one flow that wait for their departure, at most.
#[expect(clippy::cast_sign_loss, reason = "rates are positive")]
fn ahead(options: &Options, rate: Option<f64>) -> u32 {
    let payload = f64::from(options.wish.payload.unwrap_or(1));
    let packets = rate.map_or(0.0, |rate| rate * options.ahead.as_secs_f64() * PEAK / payload.max(188.0));
    packets.ceil() as u32
}
