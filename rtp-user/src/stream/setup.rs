//! From options to flows: the way each destination takes, the engine, the
//! sockets. Everything that can be refused is refused here, before a packet.

use super::{
    EngineChoice, Options,
    facts::{Facts, FlowFacts},
    keepers::Keepers,
    player::Manner,
    programs::{Log, Programs},
    way::{self, Way},
};
use crate::{
    engine::{Checksum, Flow, Setting, user::UserFlow},
    line::one_line,
    media::Media,
    net::{
        netlink::Netlink,
        socket::{self, FlowSocket},
    },
    pace::Pacing,
    stop::Stop,
};
use anyhow::{Context, Result};
use rand::Rng;
use std::{collections::BTreeMap, time::Duration};

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

/// Sets everything up; nothing has been sent when it returns. `rates`: octets
/// per second of each stream, where known.
pub(super) async fn prepare(
    netlink: &Netlink,
    streams: &[Options],
    media: &[Media],
    rates: &[Option<f64>],
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
    let programs = hang(netlink, streams, &ways, media).await?;
    let keepers = match &programs {
        Ok(_) => Keepers::hold(netlink, streams, &ways, rates).await?,
        Err(_) => Keepers::default(),
    };
    let mut ready = Vec::new();
    let mut facts = Vec::new();
    for ((options, media), ways) in streams.iter().zip(media).zip(&ways) {
        let programs = match options.engine {
            EngineChoice::User => Err("asked for"),
            _ => programs.as_ref().map_err(String::as_str),
        };
        let pacing = keepers.pacing(options, ways, programs.is_ok());
        let (stream, of_stream) = open(options, media, ways, programs, pacing, stop)?;
        ready.push(stream);
        facts.push(of_stream);
    }
    let choices = choices(&facts);
    Ok(Setup { streams: ready, facts, choices, log: Log::of(programs.ok()), keepers })
}

/// The program on all interfaces where a stream may have it, or why there is none.
async fn hang(
    netlink: &Netlink,
    streams: &[Options],
    ways: &[Vec<Way>],
    media: &[Media],
) -> Result<Result<Programs, String>> {
    let wanted: Vec<_> = streams.iter().zip(ways).filter(|(it, _)| it.engine != EngineChoice::User).collect();
    if wanted.is_empty() {
        return Ok(Err("asked for".into()));
    }
    let ways: Vec<&Way> = wanted.iter().flat_map(|(_, ways)| ways.iter()).collect();
    let payload = media.iter().map(|media| media.payload).max().unwrap_or_default();
    match Programs::hang(netlink, &ways, payload).await {
        Err(error) if wanted.iter().any(|(options, _)| options.engine == EngineChoice::Kernel) => {
            Err(error.context("no kernel engine (--engine user goes without)"))
        }
        hung => Ok(hung.map_err(|error| one_line(&error))),
    }
}

/// The flows of one stream.
fn open(
    options: &Options,
    media: &Media,
    ways: &[Way],
    programs: Result<&Programs, &str>,
    (pacing, how): (Pacing, String),
    stop: &Stop,
) -> Result<(Stream, Facts)> {
    let timestamp = options.timestamp.unwrap_or_else(|| rand::rng().random());
    let mut flows: Vec<Box<dyn Flow>> = Vec::new();
    for (number, way) in ways.iter().enumerate() {
        let socket = open_socket(options, way, programs.is_ok())?;
        if matches!(pacing, Pacing::Ahead { .. }) {
            socket
                .force_send_buffer(SEND_BUFFER)
                .with_context(|| format!("{}: SO_SNDBUFFORCE", way.destination))?;
        }
        let setting = setting(options, media, number);
        flows.push(match programs {
            Ok(programs) => Box::new(programs.open(way, socket, setting, stop)?),
            Err(_) => Box::new(
                UserFlow::open(socket, setting, stop.clone()).with_context(|| way.destination.to_string())?,
            ),
        });
    }
    let (engine, path) = match programs {
        Ok(programs) => ("kernel", programs.describe(&ways[0])),
        Err(why) => ("user", why.to_owned()),
    };
    let flow_facts = flows.iter().zip(ways).map(|(flow, way)| FlowFacts {
        destination: flow.destination(),
        source: flow.source(),
        interface: way.link.name.clone(),
        setting: *flow.setting(),
        timestamp,
    });
    let facts = Facts { engine, path, pacing: how, flows: flow_facts.collect() };
    let sums = programs.is_ok() && options.checksum == Checksum::Full;
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
