//! Who keeps departure times: the fq of each interface that streams leave
//! through, and how a stream is paced with it or without.

use super::{
    Options,
    rate::{Fit, Rate},
    way::Way,
};
use crate::{
    kernel::qdisc::{self, Held},
    net::{
        netlink::{Link, Netlink},
        qdisc::{Departures, drops, fq::Fq, fq::Load},
        socket::overhead,
    },
    pace::{Pace, Pacing},
};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Where packets leave as they are sent, no more leave together than are due
/// within so many nanoseconds: none is then further than half of it from its time.
const BURST_SPAN: u64 = 14_000_000;
/// What fq counts in front of an IP header.
const ETHERNET_HEADER: u32 = 14;
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
    /// `rates`: how fast each stream leaves, where known.
    pub async fn hold(
        netlink: &Netlink,
        streams: &[Options],
        ways: &[Vec<Way>],
        rates: &[Option<Rate>],
        payloads: impl Iterator<Item = u32>,
    ) -> Result<Self> {
        let mut loads = BTreeMap::new();
        for ((options, ways), rate) in streams.iter().zip(ways).zip(rates) {
            for way in ways {
                let (_, load, wish) =
                    loads.entry(way.link.index).or_insert((&way.link, Load::of_flows(0), None));
                load.flows += 1;
                load.packets_per_flow = load.packets_per_flow.max(ahead(options, *rate));
                *wish = wish.or(options.qdisc);
                load.max_rate = load.max_rate.max(options.max_rate);
            }
        }
        let mut keepers = BTreeMap::new();
        for (link, load, wish) in loads.into_values() {
            let held = qdisc::hold(netlink, link, load, wish).await?;
            say_if_faster(&held.departures, load);
            let dropped = drops(netlink, link).await?.all;
            keepers.insert(link.index, Keeper { link: link.clone(), held, dropped });
        }
        let keepers = Self(keepers);
        for (((options, ways), rate), payload) in streams.iter().zip(ways).zip(rates).zip(payloads) {
            let needs = rate.filter(|_| options.pace != Pace::None).map(|rate| (rate, payload));
            for way in ways {
                keepers.check_max_rate(options, way, needs)?;
            }
        }
        Ok(keepers)
    }

    /// A stream that fq sends more slowly than it is played waits longer and
    /// longer, until fq drops it. `needs`: how fast its payload leaves, and the
    /// octets of a packet.
    fn check_max_rate(&self, options: &Options, way: &Way, needs: Option<(Rate, u32)>) -> Result<()> {
        let keeper = self.0.get(&way.link.index).map(|keeper| &keeper.held.departures);
        let Some((Departures::Kept(Fq { max_rate: Some(max), interface, .. }), (rate, payload))) =
            keeper.zip(needs)
        else {
            return Ok(());
        };
        let rate = rate.with_headers(payload, ETHERNET_HEADER + overhead(way.destination.is_ipv6()));
        let (file, least, most) = (options.files[0].display(), rate.least * 8.0, rate.most * 8.0);
        let has = format!("the fq of {interface} lets a flow have {}", u64::from(*max) * 8);
        match rate.fit(*max) {
            Fit::Yes => {}
            Fit::Perhaps => tracing::warn!(
                "{file}: {has}, and by its first and last PCR and by its beginning it needs {least:.0} or {most:.0} b/s; \
                 krtp probe reads it and tells"
            ),
            Fit::No => bail!(
                "{file} needs {least:.0} b/s with its headers, and {has}: \
                 give --qdisc fq --max-rate and a quarter more than it needs"
            ),
        }
        Ok(())
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
                let how = format!(
                    "fq of {} keeps departure times, up to {milliseconds} ms ahead{}",
                    fq.interface,
                    fq.rate_in_words()
                );
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

/// Says so where others rely on the same fq and want more of it.
fn say_if_faster(departures: &Departures, load: Load) {
    let (Departures::Kept(fq), Some(wished)) = (departures, load.max_rate) else { return };
    if fq.max_rate != Some(wished) {
        let rate =
            fq.max_rate.map_or("more, without end".into(), |rate| format!("{} b/s", u64::from(rate) * 8));
        tracing::warn!(
            "{}: another krtp needs its fq to let a flow send {rate}; --max-rate {} is not kept until that ends",
            fq.interface,
            u64::from(wished) * 8
        );
    }
}

/// Packets of one flow that wait for their departure, at most.
#[expect(clippy::cast_sign_loss, reason = "rates are positive")]
fn ahead(options: &Options, rate: Option<Rate>) -> u32 {
    let payload = f64::from(options.wish.payload.unwrap_or(1));
    let packets =
        rate.map_or(0.0, |rate| rate.most * options.ahead.as_secs_f64() * PEAK / payload.max(188.0));
    packets.ceil() as u32
}
