//! `krtp watch`: follows the RTP that arrives on an interface.
//!
//! The kernel side counts and measures, packet by packet (`rtp_common::watch`);
//! this side says what is wanted, attaches the program, and reads.

mod arguments;
mod clocks;
mod histogram;
pub mod load;
mod maps;
mod text;
pub mod view;

pub use arguments::Arguments;
pub use load::{Mode, Program, WatchError};

use crate::{
    net::netlink::{Link, Netlink},
    print::{print, redraw},
    stop::Stop,
};
use anyhow::{Context, Result, ensure};
use load::Attached;
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};
use tokio::time::sleep;
use view::Report;

/// Between two looks at whether it is time to end.
const LOOK: Duration = Duration::from_millis(20);
/// Between two tables on a terminal.
const REDRAW: Duration = Duration::from_secs(1);

/// What `krtp watch` is to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The interface.
    pub interface: String,
    /// Where the program is to run.
    pub mode: Mode,
    /// Only these destination ports; none: any.
    pub ports: Vec<u16>,
    /// Only this synchronization source.
    pub ssrc: Option<u32>,
    /// Clock rates by payload type, beside those that everyone knows.
    pub clock_rates: Vec<(u8, u32)>,
    /// How many streams there is to be room for.
    pub streams: u32,
    /// Drop what is followed.
    pub drop: bool,
    /// End after this time.
    pub time: Option<Duration>,
    /// End when so many packets have come.
    pub packets: Option<u64>,
    /// End when nothing has come for so long, once something has.
    pub idle: Option<Duration>,
    /// Report as JSON.
    pub json: bool,
}

/// Watches until `options` or `stop` say that it is enough, and reports.
pub async fn run(options: &Options, stop: &Stop) -> Result<()> {
    let netlink = Netlink::open()?;
    let link = find(&netlink, &options.interface).await?;
    let mut program = Program::load(options, link.mtu)?;
    let attached = Attached::to(&mut program, &link, options.mode)?;
    let place = attached.place;
    let instead = attached.instead.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
    let drops = if options.drop { ", dropping what it follows" } else { "" };
    eprintln!("krtp: watching {} in {place}{instead}{drops}", link.name);
    let report = |program: &Program| {
        let maps = &program.maps;
        Report::new(&link.name, place, options.drop, &maps.totals(), maps.streams())
    };
    let live = !options.json && io::stdout().is_terminal();
    let mut end = End::new(options, Instant::now());
    let mut drawn = Instant::now();
    while !stop.is_set() && !end.is_here(program.maps.packets(), Instant::now()) {
        if live && drawn.elapsed() >= REDRAW {
            drawn = Instant::now();
            if !print(&redraw(&text::table(&report(&program))))? {
                return Ok(());
            }
        }
        sleep(LOOK).await;
    }
    // Before the last reading: nothing changes any more.
    drop(attached);
    let report = report(&program);
    let text = if options.json { serde_json::to_string(&report)? + "\n" } else { text::report(&report) };
    print(&if live { redraw(&text) } else { text })?;
    Ok(())
}

async fn find(netlink: &Netlink, name: &str) -> Result<Link> {
    let link = netlink.link_by_name(name).await?;
    let link = link.with_context(|| format!("there is no interface {name}: see `ip link`"))?;
    ensure!(link.ethernet, "{name} has no Ethernet headers: watch the interface that its packets come from");
    Ok(link)
}

/// When it is enough. Pure: it is told how many packets came, and what time it is.
#[derive(Debug)]
struct End {
    time: Option<Instant>,
    packets: Option<u64>,
    idle: Option<Duration>,
    came: u64,
    last: Instant,
}

impl End {
    fn new(options: &Options, now: Instant) -> Self {
        let time = options.time.and_then(|time| now.checked_add(time));
        Self { time, packets: options.packets, idle: options.idle, came: 0, last: now }
    }

    fn is_here(&mut self, packets: u64, now: Instant) -> bool {
        if packets != self.came {
            (self.came, self.last) = (packets, now);
        }
        let silent = packets != 0 && self.idle.is_some_and(|idle| now - self.last >= idle);
        silent
            || self.time.is_some_and(|time| now >= time)
            || self.packets.is_some_and(|enough| packets >= enough)
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Options};
    use std::time::{Duration, Instant};

    /// Name, options, looks (packets that came, milliseconds), whether it ends.
    type Case<'a> = (&'a str, &'a Options, &'a [(u64, u64)], bool);

    #[test]
    fn it_ends_when_it_is_enough() {
        let second = Some(Duration::from_secs(1));
        let time = Options { time: second, ..Options::default() };
        let packets = Options { packets: Some(3), ..Options::default() };
        let idle = Options { idle: second, ..Options::default() };
        let cases: &[Case] = &[
            ("nothing asked for", &Options::default(), &[(0, 0), (5, 100_000)], false),
            ("time left", &time, &[(0, 999)], false),
            ("time over", &time, &[(0, 1000)], true),
            ("too few packets", &packets, &[(2, 5)], false),
            ("enough packets", &packets, &[(3, 5)], true),
            ("no packet ever", &idle, &[(0, 50_000)], false),
            ("a packet just now", &idle, &[(1, 5000), (2, 5900), (2, 6800)], false),
            ("silence", &idle, &[(1, 5000), (2, 5900), (2, 6900)], true),
        ];
        for (case, options, looks, ends) in cases {
            let begin = Instant::now();
            let mut end = End::new(options, begin);
            let ended = looks.iter().fold(false, |_, (packets, millis)| {
                end.is_here(*packets, begin + Duration::from_millis(*millis))
            });
            assert_eq!(ended, *ends, "{case}");
        }
    }
}
