//! From the media's clock to the flow's timeline: which RTP timestamp a packet
//! gets and when it is to leave. Pure integers, exact at each piece's beginning.
//!
//! A packet's time is that of its payload's first octet (RFC 2250 §2: the target
//! transmission time of the first byte). A flow's time runs on over the files
//! it plays and over their repetitions, in ticks of the media's clock.

use crate::media::{clock::Stretch, plan::Plan};
use rtp_common::timeline::{self, MARKER, Piece};

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// Packets that a piece is laid for at most; its arithmetic is exact for twice
/// as many.
const LONGEST: u64 = 1 << 31;

/// What a flow's time is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// RTP timestamp at the flow's beginning.
    pub timestamp: u32,
    /// Ticks of the timestamp per second.
    pub clock_rate: u32,
    /// When the flow begins, nanoseconds of `CLOCK_MONOTONIC`; zero: departure
    /// times are nobody's matter.
    pub departure: u64,
}

/// Where one play of a file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// The first packet of the file that is played.
    pub packet: u64,
    /// Its time on the file's clock, ticks.
    pub media: u64,
    /// Its number in the flow.
    pub number: u64,
    /// Its time in the flow, ticks.
    pub flow: u64,
}

/// A piece of the timeline, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laid {
    /// The piece; its first packet is the one that was asked for.
    pub piece: Piece,
    /// The file's packet behind its last.
    pub end: u64,
}

/// A packet lasts longer than a timeline can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media's clock is too slow for RTP: a packet would last more than 2^32 ticks")]
pub struct TooSlow;

/// The piece that `packet` of the file begins, on `stretch` of the file's clock,
/// which runs at `hertz`. `marked`: whether it carries the marker.
pub fn piece(
    stretch: &Stretch,
    hertz: u32,
    plan: &Plan,
    packet: u64,
    begin: &Begin,
    origin: &Origin,
    marked: bool,
) -> Result<Laid, TooSlow> {
    let time = Time::of(stretch, plan.octet(packet), begin);
    let payload = u128::from(plan.payload());
    let per_packet = |rate: u64| {
        let ticks = payload * u128::from(stretch.ticks()) * u128::from(rate);
        timeline::ratio(ticks, u128::from(stretch.octets()) * u128::from(hertz)).ok_or(TooSlow)
    };
    let (timestamp, timestamp_fraction) = time.at_rate(origin.clock_rate.into(), hertz);
    let (step, step_fraction) = per_packet(origin.clock_rate.into())?;
    let (gap, gap_fraction) = per_packet(SECOND)?;
    let departure = match origin.departure {
        0 => 0,
        departure => departure.wrapping_add(time.at_rate(SECOND, hertz).0),
    };
    let end = plan.packet_at(stretch.to.octet).clamp(packet + 1, packet + LONGEST);
    Ok(Laid {
        piece: Piece {
            first: begin.number + (packet - begin.packet),
            departure,
            gap,
            gap_fraction,
            // Modulo 2^32 by definition of the timestamp.
            timestamp: origin.timestamp.wrapping_add(timestamp as u32),
            timestamp_fraction,
            step: u32::try_from(step).map_err(|_| TooSlow)?,
            step_fraction,
            flags: if marked { MARKER } else { 0 },
        },
        end,
    })
}

/// The piece of a file without a clock that `packet` begins: all of it leaves at
/// once, with the timestamp at which the flow stands, whose time runs at `hertz`.
pub fn standing(packet: u64, hertz: u32, begin: &Begin, origin: &Origin, marked: bool) -> Piece {
    let flow = Time { ticks: begin.flow, part: 0, whole: 1 };
    Piece {
        first: begin.number + (packet - begin.packet),
        timestamp: origin.timestamp.wrapping_add(flow.at_rate(origin.clock_rate.into(), hertz).0 as u32),
        flags: if marked { MARKER } else { 0 },
        ..Piece::default()
    }
}

/// A time in the flow: whole ticks, and a rest of `part / whole` ticks.
#[derive(Clone, Copy, Debug)]
struct Time {
    ticks: u64,
    part: u128,
    whole: u128,
}

impl Time {
    /// The time of `octet` on `stretch`, in a play that began at `begin`.
    fn of(stretch: &Stretch, octet: u64, begin: &Begin) -> Self {
        let distance = octet.saturating_sub(stretch.from.octet);
        let product = u128::from(distance) * u128::from(stretch.ticks());
        let whole = u128::from(stretch.octets());
        let media = stretch.from.ticks + (product / whole) as u64;
        let since = media.saturating_sub(begin.media);
        Self { ticks: begin.flow + since, part: product % whole, whole }
    }

    /// The same in units of which `rate` make a second, and the fraction of a
    /// unit in 2^-32, both rounded down.
    fn at_rate(self, rate: u64, hertz: u32) -> (u64, u32) {
        let (rate, hertz) = (u128::from(rate), u128::from(hertz));
        let ticks = u128::from(self.ticks) * rate;
        // Less than one unit over; what of a tick is left counts with it.
        let rest = (ticks % hertz) * self.whole + self.part * rate;
        let (units, rest) = (rest / (hertz * self.whole), rest % (hertz * self.whole));
        let (_, fraction) = timeline::ratio(rest, hertz * self.whole).unwrap_or_default();
        ((ticks / hertz + units) as u64, fraction)
    }
}

/// `ticks` of a clock of `hertz` as nanoseconds, rounded down.
pub fn nanoseconds(ticks: u64, hertz: u32) -> u64 {
    let exact = u128::from(ticks) * u128::from(SECOND) / u128::from(hertz);
    u64::try_from(exact).unwrap_or(u64::MAX)
}

/// `nanoseconds` as ticks of a clock of `hertz`, rounded up.
pub fn ticks(nanoseconds: u64, hertz: u32) -> u64 {
    let exact = (u128::from(nanoseconds) * u128::from(hertz)).div_ceil(u128::from(SECOND));
    u64::try_from(exact).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Begin, Origin, SECOND, nanoseconds, piece, ticks};
    use crate::media::{
        clock::{Clock, Knot, Stretch},
        plan::Plan,
    };
    use proptest::prelude::*;
    use rtp_common::timeline::{MARKER, Piece};

    const HERTZ: u32 = 27_000_000;

    fn lay(clock: &Clock, plan: &Plan, begin: &Begin, origin: &Origin) -> Vec<Piece> {
        let mut packet = begin.packet;
        let mut pieces = Vec::new();
        while packet < plan.packets() {
            let stretch = clock.stretch(plan.octet(packet)).expect("known");
            let laid = piece(&stretch, clock.hertz(), plan, packet, begin, origin, false).expect("fits");
            assert!(laid.end > packet, "a piece of nothing at packet {packet}");
            pieces.push(laid.piece);
            packet = laid.end;
        }
        pieces
    }

    /// Clocks of up to a dozen bends, with rates from next to nothing to far
    /// too much.
    fn clocks() -> impl Strategy<Value = Clock> {
        proptest::collection::vec((1u64..400_000, 0u64..27_000_000), 1..12).prop_map(|steps| {
            let mut clock = Clock::new(HERTZ);
            let mut at = Knot { octet: 0, ticks: 0 };
            clock.push(at);
            for (octets, ticks) in steps {
                at = Knot { octet: at.octet + octets, ticks: at.ticks + ticks };
                clock.push(at);
            }
            clock
        })
    }

    /// Whole units since the flow's beginning, as one fraction of 128 bits.
    fn exact(clock: &Clock, octet: u64, begin: &Begin, rate: u64) -> u128 {
        let Stretch { from, to } = clock.stretch(octet).expect("known");
        let (octets, ticks) = (u128::from(to.octet - from.octet), u128::from(to.ticks - from.ticks));
        let base = u128::from(from.ticks + begin.flow - begin.media);
        (base * octets + u128::from(octet - from.octet) * ticks) * u128::from(rate)
            / (octets * u128::from(HERTZ))
    }

    proptest! {
        #[test]
        fn every_packet_has_the_time_of_its_first_octet(
            clock in clocks(), payload in 16u32..3000, flow in 0u64..1 << 50, number in 0u64..1 << 40,
            timestamp: u32, departure in 1u64..1 << 60, clock_rate in prop_oneof![Just(90_000u32), 1u32..27_000_000],
        ) {
            let plan = Plan::new(0..clock.known(), payload).expect("octets");
            let begin = Begin { packet: 0, media: 0, number, flow };
            let origin = Origin { timestamp, clock_rate, departure };
            let pieces = lay(&clock, &plan, &begin, &origin);
            let mut before: Option<(u32, u64)> = None;
            for packet in 0..plan.packets() {
                let piece = rtp_common::timeline::of(&pieces, number + packet).expect("laid");
                let (found, leaves) = (piece.timestamp(number + packet), piece.departure(number + packet));
                let wanted = timestamp.wrapping_add(exact(&clock, plan.octet(packet), &begin, clock_rate.into()) as u32);
                prop_assert!(wanted.wrapping_sub(found) <= 1, "packet {packet}: {found}, exactly {wanted}");
                let wanted = departure + exact(&clock, plan.octet(packet), &begin, SECOND) as u64;
                prop_assert!(wanted - leaves <= 1, "packet {packet}: {leaves} ns, exactly {wanted}");
                if let Some((timestamp, departure)) = before {
                    prop_assert!(found.wrapping_sub(timestamp) < 1 << 31, "packet {packet} steps back");
                    prop_assert!(leaves >= departure, "packet {packet} leaves before the one before");
                }
                before = Some((found, leaves));
            }
        }

        /// Thirty days of a loop, of any length: the timestamp of a play's first
        /// packet is the exact time of what was played before.
        #[test]
        fn nothing_drifts_over_days(span in 27_000u64..27_000_000 * 3600, octets in 188u64..1 << 32, timestamp: u32) {
            let clock = Clock::even(HERTZ, 0, octets, span).expect("octets");
            let plan = Plan::new(0..octets, 1316).expect("octets");
            let plays = 30 * 86_400 * u64::from(HERTZ) / span;
            let begin = Begin { packet: 0, media: 0, number: plays * plan.packets(), flow: plays * span };
            let origin = Origin { timestamp, clock_rate: 90_000, departure: 1 };
            let stretch = clock.stretch(0).expect("known");
            if let Ok(laid) = piece(&stretch, HERTZ, &plan, 0, &begin, &origin, false) {
                let exact = u128::from(plays) * u128::from(span) * 90_000 / u128::from(HERTZ);
                prop_assert_eq!(laid.piece.timestamp(begin.number), timestamp.wrapping_add(exact as u32));
                let exact = u128::from(plays) * u128::from(span) * u128::from(SECOND) / u128::from(HERTZ);
                prop_assert_eq!(u128::from(laid.piece.departure(begin.number)), exact + 1);
            }
        }

        #[test]
        fn ticks_and_nanoseconds_are_each_other(time in 0u64..1 << 50, hertz in 8000u32..27_000_000) {
            let there = ticks(time, hertz);
            let back = nanoseconds(there, hertz);
            prop_assert!(back >= time && back - time <= SECOND / u64::from(hertz));
        }
    }

    #[test]
    fn a_play_in_the_middle_of_a_file_begins_at_the_flows_time() {
        let clock = Clock::even(HERTZ, 0, 1316 * 100, u64::from(HERTZ)).expect("octets");
        let plan = Plan::new(0..1316 * 100, 1316).expect("octets");
        let begin = Begin { packet: 40, media: u64::from(HERTZ) * 2 / 5, number: 7, flow: 0 };
        let origin = Origin { timestamp: 1000, clock_rate: 90_000, departure: SECOND };
        let stretch = clock.stretch(0).expect("known");
        let laid = piece(&stretch, HERTZ, &plan, 40, &begin, &origin, true).expect("fits");
        assert_eq!((laid.piece.first, laid.piece.flags, laid.end), (7, MARKER, 100));
        assert_eq!((laid.piece.timestamp(7), laid.piece.departure(7)), (1000, SECOND));
        assert_eq!((laid.piece.timestamp(9), laid.piece.departure(9)), (2800, SECOND + 20_000_000));
    }

    #[test]
    fn a_flow_without_departures_has_none() {
        let clock = Clock::even(HERTZ, 0, 1316, 1).expect("octets");
        let plan = Plan::new(0..1316, 1316).expect("octets");
        let origin = Origin { timestamp: 0, clock_rate: 90_000, departure: 0 };
        let stretch = clock.stretch(0).expect("known");
        let laid = piece(&stretch, HERTZ, &plan, 0, &Begin::default(), &origin, false).expect("fits");
        assert_eq!(laid.piece.departure(0), 0);
    }

    #[test]
    fn a_clock_that_hardly_runs_is_refused() {
        let stretch = Stretch { from: Knot { octet: 0, ticks: 0 }, to: Knot { octet: 1, ticks: 1 << 40 } };
        let plan = Plan::new(0..1316, 1316).expect("octets");
        let origin = Origin { timestamp: 0, clock_rate: 90_000, departure: 1 };
        assert!(piece(&stretch, HERTZ, &plan, 0, &Begin::default(), &origin, false).is_err());
    }
}
