//! From options to flows: the way each destination takes, the engine, the
//! sockets. Everything that can be refused is refused here, before a packet.

use super::{
    EngineChoice, Options, copies,
    facts::{Facts, FlowFacts},
    keepers::Keepers,
    player::Manner,
    programs::{Log, Programs},
    rate::Rate,
    way::{self, Way},
};
use crate::{
    engine::{Checksum, Flow, Setting, prepared::PreparedFlow, user::UserFlow},
    line::one_line,
    media::{Media, prepared::Copy},
    net::{
        netlink::Netlink,
        socket::{self, FlowSocket},
    },
    pace::Pacing,
    stop::Stop,
};
use anyhow::{Context, Result};
use rand::Rng;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long a full send buffer may hold a send up before a stop is noticed.
const SEND_PATIENCE: Duration = Duration::from_millis(500);
/// Room in a socket for what waits for its departure. Only what waits takes memory.
const SEND_BUFFER: u32 = 64 << 20;

/// Everything that is ready to play, stream by stream.
pub(super) struct Setup {
    pub streams: Vec<Stream>,
    pub facts: Vec<Facts>,
    /// Which engine on which interface, and why: a line each.
    pub choices: Vec<String>,
    pub log: Log,
    /// Held as long as anything waits in them.
    pub keepers: Keepers,
}

/// One stream that is ready to play.
pub(super) struct Stream {
    pub flows: Vec<Box<dyn Flow>>,
    pub manner: Manner,
    /// Whether payload sums are needed.
    pub sums: bool,
}

/// Sets everything up; nothing has been sent when it returns. `rates`: how fast
/// each stream leaves, where known; `copies`: prepared files, of the
/// streams that have one.
pub(super) async fn prepare(
    netlink: &Netlink,
    streams: &[Options],
    media: &[Media],
    rates: &[Option<Rate>],
    copies: &[Option<Arc<Copy>>],
    stop: &Stop,
) -> Result<Setup> {
    let mut ways = Vec::new();
    for (options, media) in streams.iter().zip(media) {
        way::check_options(options)?;
        let mut of_stream = Vec::new();
        for &destination in &options.to {
            let way = way::find_way(netlink, options, destination).await?;
            way::check_payload(&way, media)?;
            of_stream.push(way);
        }
        ways.push(of_stream);
    }
    let (programs, kernel) = hang(netlink, streams, &ways, media, copies).await?;
    let keepers = match &kernel {
        Ok(()) => {
            let payloads = media.iter().map(|media| media.payload);
            Keepers::hold(netlink, streams, &ways, rates, payloads).await?
        }
        Err(_) => Keepers::default(),
    };
    let mut ready = Vec::new();
    let mut facts = Vec::new();
    for (((options, media), ways), copy) in streams.iter().zip(media).zip(&ways).zip(copies) {
        let engine = match (copy, options.engine, &kernel) {
            (Some(copy), ..) => Engine::Prepared(copy, &programs),
            (None, EngineChoice::User, _) => Engine::User("asked for"),
            (None, _, Err(why)) => Engine::User(why),
            (None, _, Ok(())) => Engine::Kernel(&programs),
        };
        let pacing = keepers.pacing(options, ways, engine.without_departures());
        let (stream, of_stream) = open(options, media, ways, engine, pacing, stop)?;
        ready.push(stream);
        facts.push(of_stream);
    }
    let choices = choices(&facts);
    Ok(Setup { streams: ready, facts, choices, log: Log::of(programs), keepers })
}

/// The program on all interfaces where a stream may have it; and whether the
/// kernel engine can be had, or why not.
async fn hang(
    netlink: &Netlink,
    streams: &[Options],
    ways: &[Vec<Way>],
    media: &[Media],
    copies: &[Option<Arc<Copy>>],
) -> Result<(Programs, Result<(), String>)> {
    let (prepared, others): (Vec<_>, Vec<_>) =
        (0..streams.len()).partition(|&place: &usize| copies[place].is_some());
    let wanted: Vec<_> =
        others.into_iter().filter(|&place| streams[place].engine != EngineChoice::User).collect();
    let of = |places: &[usize]| places.iter().flat_map(|&place| &ways[place]).collect::<Vec<&Way>>();
    let (of_kernel, of_prepared) = (of(&wanted), of(&prepared));
    let mut programs = Programs::default();
    let kernel = if wanted.is_empty() {
        Err("asked for".into())
    } else {
        let payload = wanted.iter().map(|&place| media[place].payload).max().unwrap_or_default();
        match programs.hang(netlink, &of_kernel, &of_prepared, payload).await {
            Err(error) if wanted.iter().any(|&place| streams[place].engine == EngineChoice::Kernel) => {
                return Err(error.context("no kernel engine (--engine user goes without)"));
            }
            hung => hung.map_err(|error| one_line(&error)),
        }
    };
    programs.hang_for_prepared(netlink, &of_prepared).await;
    Ok((programs, kernel))
}

/// Who sees to a stream's headers.
#[derive(Clone, Copy)]
enum Engine<'a> {
    /// The program on the interface.
    Kernel(&'a Programs),
    /// User space, and why.
    User(&'a str),
    /// They are in the file; the program counts the packets, where it can be had.
    Prepared(&'a Arc<Copy>, &'a Programs),
}

impl Engine<'_> {
    fn without_departures(&self) -> Option<&'static str> {
        match self {
            Self::Kernel(_) => None,
            Self::User(_) => Some("the user engine writes no departure times"),
            Self::Prepared(..) => Some("nobody writes departure times of prepared packets"),
        }
    }

    /// Its name, and how packets go through the interface of `way`.
    fn describe(&self, way: &Way) -> (&'static str, String) {
        match self {
            Self::Kernel(programs) => ("kernel", programs.describe(way)),
            Self::User(why) => ("user", (*why).to_owned()),
            Self::Prepared(_, programs) => ("prepared", programs.describe_prepared(way)),
        }
    }
}

/// The flows of one stream.
fn open(
    options: &Options,
    media: &Media,
    ways: &[Way],
    engine: Engine<'_>,
    (pacing, how): (Pacing, String),
    stop: &Stop,
) -> Result<(Stream, Facts)> {
    let kernel = matches!(engine, Engine::Kernel(_));
    let numbers = match engine {
        Engine::Prepared(copy, _) => {
            let first = copies::first_packet(copy, options.start)?;
            Some(copy.numbers_of(first).with_context(|| copy.path().display().to_string())?)
        }
        Engine::Kernel(_) | Engine::User(_) => None,
    };
    let timestamp = numbers.map(|numbers| numbers.timestamp).or(options.timestamp);
    let timestamp = timestamp.unwrap_or_else(|| rand::rng().random());
    let mut flows: Vec<Box<dyn Flow>> = Vec::new();
    for (number, way) in ways.iter().enumerate() {
        let socket = open_socket(options, way, kernel)?;
        if matches!(pacing, Pacing::Ahead { .. }) {
            socket
                .force_send_buffer(SEND_BUFFER)
                .with_context(|| format!("{}: SO_SNDBUFFORCE", way.destination))?;
        }
        let setting = match numbers {
            Some(numbers) => Setting {
                ssrc: numbers.ssrc,
                first_sequence: numbers.sequence,
                ..setting(options, media, number)
            },
            None => setting(options, media, number),
        };
        let to = || way.destination.to_string();
        flows.push(match engine {
            Engine::Kernel(programs) => Box::new(programs.open(way, socket, setting, stop)?),
            Engine::User(_) => Box::new(UserFlow::open(socket, setting, stop.clone()).with_context(to)?),
            Engine::Prepared(copy, programs) => {
                let flow = PreparedFlow::open(socket, setting, Arc::clone(copy), stop.clone());
                let mut flow = flow.with_context(to)?;
                programs.account(way, &mut flow);
                Box::new(flow)
            }
        });
    }
    let (engine, path) = engine.describe(&ways[0]);
    let flow_facts = flows.iter().zip(ways).map(|(flow, way)| FlowFacts {
        destination: flow.outline().destination,
        source: flow.outline().source,
        interface: way.link.name.clone(),
        setting: flow.outline().setting,
        timestamp,
    });
    let facts = Facts { engine, path, pacing: how, flows: flow_facts.collect() };
    let sums = kernel && options.checksum == Checksum::Full;
    // RFC 3551 §4.1: in audio it would mean that a silence was left out.
    let marks = media.ptime().is_none();
    let manner = Manner {
        plays: options.plays,
        pacing,
        on_late: options.on_late,
        max_late: u64::try_from(options.max_late.as_nanos()).unwrap_or(u64::MAX),
        timestamp,
        marks,
    };
    Ok((Stream { flows, manner, sums }, facts))
}

/// A line for each way of sending on each interface.
fn choices(facts: &[Facts]) -> Vec<String> {
    let mut flows: BTreeMap<String, usize> = BTreeMap::new();
    for Facts { engine, path, pacing, flows: of_stream } in facts {
        for FlowFacts { interface, .. } in of_stream {
            *flows.entry(format!("{engine} engine on {interface}: {path}; {pacing}")).or_default() += 1;
        }
    }
    let many = facts.len() > 1;
    let line = |(choice, flows)| if many { format!("{flows} flows, {choice}") } else { choice };
    flows.into_iter().map(line).collect()
}

/// A flow of the kernel engine stays on the interface that has the program,
/// whatever becomes of the routes: elsewhere it would leave without headers.
fn open_socket(options: &Options, way: &Way, kernel: bool) -> Result<FlowSocket> {
    let stay = kernel || options.interface.is_some();
    let socket = FlowSocket::open(&socket::Options {
        destination: way.destination,
        source: options.source,
        interface: stay.then(|| (way.link.name.clone(), way.link.index)),
        ttl: options.ttl,
        dscp: options.dscp,
    })?;
    socket.sock_ref().set_write_timeout(Some(SEND_PATIENCE))?;
    Ok(socket)
}

fn setting(options: &Options, media: &Media, number: usize) -> Setting {
    let mut random = rand::rng();
    Setting {
        ssrc: options.ssrc.filter(|_| number == 0).unwrap_or_else(|| random.random()),
        first_sequence: options.sequence.unwrap_or_else(|| random.random()),
        payload_type: media.payload_type,
        clock_rate: media.clock_rate,
        payload: media.payload,
        unit: media.unit,
        checksum: options.checksum,
    }
}
