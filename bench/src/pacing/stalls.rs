//! When the machine stood still, and which bursts that accounts for. Pure: spans and packets in, figures out.
//!
//! A machine without KVM, or with much to do, stops for milliseconds now and then. What was due meanwhile leaves
//! together when it goes on, whoever sends; a table of bursts then shows the machine and not the sender.

use super::figures::{self, Packet};
use std::{fmt::Write as _, time::Duration};

/// How often [`super::meter`] looks.
pub const PERIOD: Duration = Duration::from_millis(1);
/// Later than this, and the machine stood still. One stall makes a burst of three packets only if it holds the first
/// back for more than one and a half times their spacing: for 3.9 ms at 4 Mb/s, where 1,316 octets last 2.63 ms. It may
/// have begun anywhere between two looks, so that every stall of [`PERIOD`] more than this is seen: 3 ms.
pub const LIMIT: Duration = Duration::from_millis(2);
/// What may pass until a sender that stood still as well, and is woken after the meter, has caught up.
const SLACK: Duration = Duration::from_millis(1);

/// From when a look was due to when it came, nanoseconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stall {
    /// Due; the machine stood still since then, or since [`PERIOD`] before at most.
    pub from: u64,
    /// Came.
    pub to: u64,
}

impl Stall {
    fn nanos(self) -> u64 {
        self.to - self.from
    }
}

/// All stalls of a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Stalls {
    /// One after the other.
    spans: Vec<Stall>,
    /// How long was looked, seconds.
    pub seconds: f64,
}

impl Stalls {
    /// Of all processors; what overlaps is one.
    pub fn new(mut spans: Vec<Stall>, seconds: f64) -> Self {
        spans.sort_unstable();
        let mut apart: Vec<Stall> = Vec::with_capacity(spans.len());
        for span in spans {
            match apart.last_mut() {
                Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
                _ => apart.push(span),
            }
        }
        Self { spans: apart, seconds }
    }

    /// Those that touch the time from `from` to `to`, nanoseconds of the wall clock: what holds the machine up before
    /// the first packet and behind the last, as loading a program does, delays none.
    pub fn during(mut self, from: u64, to: u64) -> Self {
        self.spans.retain(|stall| stall.from <= to && from <= stall.to);
        Self { seconds: to.saturating_sub(from) as f64 / 1e9, ..self }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// How many a second.
    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.seconds
    }

    /// The longest, nanoseconds; 0 if there is none.
    pub fn longest(&self) -> u64 {
        self.spans.iter().map(|stall| stall.nanos()).max().unwrap_or_default()
    }

    /// All together, nanoseconds.
    pub fn total(&self) -> u64 {
        self.spans.iter().map(|stall| stall.nanos()).sum()
    }

    /// Each on a line, for whoever wants to lay them beside packets: nanoseconds since `begin`.
    pub fn lines(&self, begin: u64) -> String {
        self.spans.iter().fold("from_ns,to_ns\n".to_owned(), |mut lines, stall| {
            let [from, to] = [stall.from, stall.to].map(|at| at.cast_signed() - begin.cast_signed());
            writeln!(lines, "{from},{to}").expect("a string has room");
            lines
        })
    }

    /// Whether there are many more than in `idle`, when nobody sent: by three standard deviations of the difference of
    /// two counts at one rate (with one stall more, since none in a short while does not mean that there are none).
    /// Then it is the sender's own work that holds the machine up, and [`Stalls::longest_burst`] excuses too much.
    pub fn are_more_than(&self, idle: &Self) -> bool {
        let times = self.seconds / idle.seconds;
        let seen = idle.count() as f64;
        let deviation = ((seen + 1.0) * times * (1.0 + times)).sqrt();
        self.count() as f64 > seen * times + 3.0 * deviation
    }

    /// The most packets in a row that came closer to each other than half their due spacing and that no stall accounts
    /// for; 1: none did.
    pub fn longest_burst(&self, packets: &[Packet]) -> usize {
        let unexcused = figures::bursts(packets).filter(|burst| !self.account_for(burst));
        unexcused.map(<[_]>::len).max().unwrap_or(1)
    }

    /// Whether the packets of `burst` came in or right behind stalls that were long enough to make them wait for each
    /// other. What a sender sends together anyway is not excused by a short stall.
    fn account_for(&self, burst: &[Packet]) -> bool {
        let [.., before, last] = burst else { return false };
        // Half of the last gap suffices: what came less close to the packet before is no part of a burst.
        let lasts = before.due - burst[0].due + (last.due - before.due) / 2.0;
        let held = self.held(burst);
        held > 0 && lasts <= (held + nanos(PERIOD) + nanos(SLACK)) as f64
    }

    /// How long all stalls that `packets` came in or behind lasted, nanoseconds.
    fn held(&self, packets: &[Packet]) -> u64 {
        let Some((first, last)) = packets.first().zip(packets.last()) else { return 0 };
        let touch = |stall: &&Stall| stall.from <= last.came && first.came <= stall.to + nanos(SLACK);
        self.spans.iter().filter(touch).map(|stall| stall.nanos()).sum()
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::{Packet, Stall, Stalls};

    const MS: u64 = 1_000_000;
    /// Packets are due each 2 ms.
    const SPACING: u64 = 2 * MS;

    fn stalls(spans: &[(u64, u64)], seconds: f64) -> Stalls {
        let stall = |(from, to): &(u64, u64)| Stall { from: from * MS, to: to * MS };
        Stalls::new(spans.iter().map(stall).collect(), seconds)
    }

    /// A hundred packets in time, save those due from `from` to `to`, milliseconds, which come at `to`, one each 20 us.
    fn packets(held: &[(u64, u64)]) -> Vec<Packet> {
        let came = |number: u64| {
            let due = number * SPACING;
            let by = held.iter().find(|(from, to)| (from * MS..to * MS).contains(&due));
            by.map_or(due, |(from, to)| to * MS + (due - from * MS).div_ceil(SPACING) * 20_000)
        };
        (0..100).map(|number| Packet { came: came(number), due: (number * SPACING) as f64 }).collect()
    }

    #[test]
    fn stalls_of_several_processors_are_one_where_they_overlap() {
        let stalls = stalls(&[(30, 35), (10, 14), (12, 18), (13, 15), (50, 53)], 2.0);
        assert_eq!((stalls.count(), stalls.longest(), stalls.total()), (3, 8 * MS, 16 * MS));
        assert!((stalls.per_second() - 1.5).abs() < 1e-9);
        assert_eq!(
            stalls.lines(12 * MS),
            "from_ns,to_ns\n-2000000,6000000\n18000000,23000000\n38000000,41000000\n"
        );
        let during = stalls.clone().during(18 * MS, 34 * MS);
        assert_eq!((during.count(), during.total(), during.seconds), (2, 13 * MS, 0.016));
        let none = Stalls::new(Vec::new(), 1.0);
        assert_eq!((none.count(), none.longest(), none.total()), (0, 0, 0));
    }

    #[test]
    fn a_burst_is_excused_by_a_stall_of_its_length_alone() {
        let sent = packets(&[(41, 49)]);
        assert_eq!(stalls(&[], 1.0).longest_burst(&sent), 5, "42, 44, 46 and 48 wait, and 50 is in time");
        for (name, spans, burst) in [
            ("the stall that held it up", vec![(41, 49)], 1),
            ("seen from the next look on", vec![(42, 49)], 1),
            ("too short for five packets", vec![(46, 49)], 5),
            ("two of half its length, one over before", vec![(41, 45), (46, 49)], 5),
            ("the same on two processors at once", vec![(41, 46), (45, 49)], 1),
            ("over before it", vec![(36, 44)], 5),
            ("begun behind it", vec![(51, 59)], 5),
        ] {
            assert_eq!(stalls(&spans, 1.0).longest_burst(&sent), burst, "{name}");
        }
    }

    #[test]
    fn the_longest_of_the_others_is_left() {
        let sent = packets(&[(41, 61), (101, 107)]);
        assert_eq!(stalls(&[], 1.0).longest_burst(&sent), 11);
        assert_eq!(stalls(&[(41, 61)], 1.0).longest_burst(&sent), 4);
        assert_eq!(stalls(&[(101, 107)], 1.0).longest_burst(&sent), 11);
    }

    #[test]
    fn a_sender_that_always_bursts_is_not_excused() {
        let groups: Vec<(u64, u64)> = (0..10).map(|group| (group * 20, group * 20 + 19)).collect();
        let sent = packets(&groups);
        let spans: Vec<(u64, u64)> = groups.iter().map(|(_, to)| (to - 3, *to)).collect();
        let raw = stalls(&[], 1.0).longest_burst(&sent);
        assert!(raw >= 10, "{raw}");
        assert_eq!(stalls(&spans, 1.0).longest_burst(&sent), raw, "3 ms do not make ten packets wait");
    }

    #[test]
    fn more_than_the_idle_machine_has() {
        let many = |count: u64, seconds| {
            stalls(&(0..count).map(|number| (10 * number, 10 * number + 3)).collect::<Vec<_>>(), seconds)
        };
        for (idle, row, more) in
            [(0, 0, false), (0, 10, false), (0, 30, true), (10, 60, false), (10, 120, false), (10, 130, true)]
        {
            assert_eq!(
                many(row, 60.0).are_more_than(&many(idle, 10.0)),
                more,
                "{row} in 60 s, {idle} in 10 s"
            );
        }
    }
}
