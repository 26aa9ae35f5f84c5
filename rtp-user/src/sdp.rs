//! The file that tells a player where and how to receive (SDP, RFC 8866).

use crate::media::{Encoding, format::milliseconds};
use std::{
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Hops that a multicast packet makes where nothing else is said (RFC 1112 §6.1).
const MULTICAST_TTL: u8 = 1;

/// Static payload types whose payload is the file's octets: number, media,
/// name, clock rate in Hz, channels if more than one (RFC 3551 tables 4 and 5).
const STATIC: [(u8, &str, &str, u32, u16); 6] = [
    (0, "audio", "PCMU", 8_000, 1),
    (8, "audio", "PCMA", 8_000, 1),
    (10, "audio", "L16", 44_100, 2),
    (11, "audio", "L16", 44_100, 1),
    (14, "audio", "MPA", 90_000, 1),
    (33, "video", "MP2T", 90_000, 1),
];
/// Media of a name that has no static payload type (RFC 3190 §4).
const DYNAMIC: (&str, &str) = ("audio", "L24");

/// A session: what is sent, by whom, and its flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The session, unlike any other of this sender; RFC 8866 §5.2 suggests the time.
    pub session: u64,
    /// Grows when the description changes.
    pub version: u64,
    /// The sender's address.
    pub origin: IpAddr,
    /// What people call it, such as the file's name.
    pub name: String,
    /// The flows, each for one destination.
    pub flows: Vec<Flow>,
}

/// One flow, as its receiver needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it is sent to.
    pub destination: SocketAddr,
    /// Time to live; matters for IPv4 multicast, where nothing said means 1.
    pub ttl: Option<u8>,
    /// Where it is sent from, if known: a multicast receiver can then ask for
    /// this source alone (RFC 4607).
    pub source: Option<IpAddr>,
    /// RTP payload type.
    pub payload_type: u8,
    /// RTP timestamp ticks per second.
    pub clock_rate: u32,
    /// The encoding's name, if it is not in RFC 3551's tables under the payload type.
    pub encoding: Option<Encoding>,
    /// How long the media in a packet lasts, where that is said: of audio
    /// (RFC 8866 §6.4).
    pub ptime: Option<Duration>,
    /// RTP synchronisation source.
    pub ssrc: u32,
    /// The source's canonical name in RTCP (RFC 3550 §6.5.1), if it has one.
    pub cname: Option<String>,
}

/// Why there is no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// A payload type that says nothing, and no name for what it carries.
    #[error(
        "payload type {payload_type} at {clock_rate} Hz has no name that SDP could give; \
         leave --sdp out, or give the --pt and --clock-rate of RFC 3551 (L16: 10 or 11 at 44100)"
    )]
    NoEncoding {
        /// RTP payload type.
        payload_type: u8,
        /// RTP timestamp ticks per second.
        clock_rate: u32,
    },
}

/// The description as a file, lines ended by CR LF.
///
/// It is written for receivers, hence `recvonly` (RFC 8866 §6.7.1). The first
/// flow's address stands before all flows, and another only with the flow that has it.
pub fn describe(description: &Description) -> Result<String, SdpError> {
    let Description { session, version, origin, name, flows } = description;
    let common = flows.first().map(Address::of);
    let mut sdp = Lines::default();
    sdp.line(format_args!("v=0"));
    sdp.line(format_args!("o=- {session} {version} IN {} {origin}", family(*origin)));
    sdp.line(format_args!("s={}", text(name)));
    // FFmpeg (seen with 5.1) overlooks an address that stands with a flow of MP2T.
    if let Some(address) = &common {
        sdp.line(format_args!("c={}", address.connection));
    }
    sdp.line(format_args!("t=0 0"));
    sdp.line(format_args!("a=recvonly"));
    if let Some(Address { filter: Some(filter), .. }) = &common {
        sdp.line(format_args!("a=source-filter: {filter}"));
    }
    for flow in flows {
        describe_flow(&mut sdp, flow, common.as_ref())?;
    }
    Ok(sdp.0)
}

fn describe_flow(sdp: &mut Lines, flow: &Flow, common: Option<&Address>) -> Result<(), SdpError> {
    let Flow { destination, payload_type, ssrc, .. } = *flow;
    let (media, rtpmap) = encoding(flow)?;
    let Address { connection, filter } = Address::of(flow);
    sdp.line(format_args!("m={media} {} RTP/AVP {payload_type}", destination.port()));
    if common.is_none_or(|common| common.connection != connection) {
        sdp.line(format_args!("c={connection}"));
    }
    sdp.line(format_args!("a=rtpmap:{payload_type} {rtpmap}"));
    if let Some(ptime) = flow.ptime {
        sdp.line(format_args!("a=ptime:{}", milliseconds(ptime)));
    }
    if let Some(filter) = filter
        && common.is_none_or(|common| common.filter.as_ref() != Some(&filter))
    {
        sdp.line(format_args!("a=source-filter: {filter}"));
    }
    if let Some(cname) = &flow.cname {
        sdp.line(format_args!("a=ssrc:{ssrc} cname:{}", text(cname)));
    }
    Ok(())
}

/// Where a flow is received.
struct Address {
    /// The value of `c=`.
    connection: String,
    /// The value of `a=source-filter:` (RFC 4570), for multicast from a known source.
    filter: Option<String>,
}

impl Address {
    fn of(flow: &Flow) -> Self {
        let address = flow.destination.ip();
        let family = family(address);
        let ttl = match address {
            IpAddr::V4(group) if group.is_multicast() => format!("/{}", flow.ttl.unwrap_or(MULTICAST_TTL)),
            _ => String::new(),
        };
        let source = flow.source.filter(|source| {
            address.is_multicast() && !source.is_unspecified() && source.is_ipv4() == address.is_ipv4()
        });
        Self {
            connection: format!("IN {family} {address}{ttl}"),
            filter: source.map(|source| format!("incl IN {family} {address} {source}")),
        }
    }
}

/// Media and the value of `rtpmap` without its payload type.
fn encoding(flow: &Flow) -> Result<(&'static str, String), SdpError> {
    let Flow { payload_type, clock_rate, .. } = *flow;
    if let Some(Encoding { name, channels }) = flow.encoding {
        let known = STATIC.iter().map(|row| (row.1, row.2)).chain([DYNAMIC]).find(|known| known.1 == name);
        let media = known.map_or("application", |known| known.0);
        return Ok((media, rtpmap(name, clock_rate, channels)));
    }
    let row = STATIC.iter().find(|row| row.0 == payload_type && row.3 == clock_rate);
    let Some((_, media, name, _, channels)) = row else {
        return Err(SdpError::NoEncoding { payload_type, clock_rate });
    };
    Ok((media, rtpmap(name, clock_rate, *channels)))
}

/// One channel is not written (RFC 8866 §6.6).
fn rtpmap(name: &str, clock_rate: u32, channels: u16) -> String {
    let channels = if channels > 1 { format!("/{channels}") } else { String::new() };
    format!("{name}/{clock_rate}{channels}")
}

/// `<addrtype>` of RFC 8866 §5.2.
fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

/// A text that stays on its line; a dash where nothing is left (RFC 8866 §5.3).
fn text(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.trim().is_empty() { "-".into() } else { line }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        write!(self.0, "{line}\r\n").expect("a string has room");
    }
}

#[cfg(test)]
mod tests {
    use super::{Description, Encoding, Flow, SdpError, describe};
    use proptest::prelude::*;
    use sdp_types::Session;
    use std::time::Duration;

    const MP2T: Encoding = Encoding { name: "MP2T", channels: 1 };

    fn flow(destination: &str) -> Flow {
        Flow {
            destination: destination.parse().expect("an address"),
            ttl: None,
            source: None,
            payload_type: 33,
            clock_rate: 90_000,
            encoding: Some(MP2T),
            ptime: None,
            ssrc: 0xdead_beef,
            cname: None,
        }
    }

    fn description(origin: &str, flows: Vec<Flow>) -> Description {
        let origin = origin.parse().expect("an address");
        Description { session: 3_900_000_000, version: 7, origin, name: "film.ts".into(), flows }
    }

    #[test]
    fn a_description_reads_as_rfc_8866_has_it() {
        let head = "v=0\no=- 3900000000 7 IN";
        let source = |address: &str| Some(address.parse().expect("an address"));
        let cases = [
            (
                "unicast IPv4",
                description("192.0.2.1", vec![flow("192.0.2.9:5004")]),
                "IP4 192.0.2.1\ns=film.ts\nc=IN IP4 192.0.2.9\nt=0 0\na=recvonly\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n",
            ),
            (
                "multicast IPv4",
                description(
                    "192.0.2.1",
                    vec![Flow {
                        ttl: Some(16),
                        source: source("192.0.2.1"),
                        cname: Some("Zm9v".into()),
                        ..flow("232.1.2.3:5004")
                    }],
                ),
                "IP4 192.0.2.1\ns=film.ts\nc=IN IP4 232.1.2.3/16\nt=0 0\na=recvonly\n\
                 a=source-filter: incl IN IP4 232.1.2.3 192.0.2.1\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\na=ssrc:3735928559 cname:Zm9v\n",
            ),
            (
                "multicast IPv4, nothing said",
                description("192.0.2.1", vec![flow("239.1.2.3:5004")]),
                "IP4 192.0.2.1\ns=film.ts\nc=IN IP4 239.1.2.3/1\nt=0 0\na=recvonly\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n",
            ),
            (
                "unicast IPv6",
                description("2001:db8::1", vec![Flow { ttl: Some(9), ..flow("[2001:db8::9]:5004") }]),
                "IP6 2001:db8::1\ns=film.ts\nc=IN IP6 2001:db8::9\nt=0 0\na=recvonly\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n",
            ),
            (
                "multicast IPv6 with a scope",
                description(
                    "2001:db8::1",
                    vec![Flow {
                        ttl: Some(9),
                        source: source("2001:db8::1"),
                        ..flow("[ff3e::8000:1%2]:5004")
                    }],
                ),
                "IP6 2001:db8::1\ns=film.ts\nc=IN IP6 ff3e::8000:1\nt=0 0\na=recvonly\n\
                 a=source-filter: incl IN IP6 ff3e::8000:1 2001:db8::1\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n",
            ),
            (
                "flows that share an address or have another",
                description(
                    "192.0.2.1",
                    vec![
                        Flow { source: source("192.0.2.1"), ..flow("232.0.0.8:5004") },
                        Flow { source: source("192.0.2.1"), ..flow("232.0.0.8:6004") },
                        Flow { source: source("192.0.2.1"), ..flow("232.0.0.9:5004") },
                        Flow { source: source("192.0.2.1"), ..flow("192.0.2.9:5004") },
                        Flow { source: source("0.0.0.0"), ..flow("239.0.0.9:5004") },
                    ],
                ),
                "IP4 192.0.2.1\ns=film.ts\nc=IN IP4 232.0.0.8/1\nt=0 0\na=recvonly\n\
                 a=source-filter: incl IN IP4 232.0.0.8 192.0.2.1\n\
                 m=video 5004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n\
                 m=video 6004 RTP/AVP 33\na=rtpmap:33 MP2T/90000\n\
                 m=video 5004 RTP/AVP 33\nc=IN IP4 232.0.0.9/1\na=rtpmap:33 MP2T/90000\n\
                 a=source-filter: incl IN IP4 232.0.0.9 192.0.2.1\n\
                 m=video 5004 RTP/AVP 33\nc=IN IP4 192.0.2.9\na=rtpmap:33 MP2T/90000\n\
                 m=video 5004 RTP/AVP 33\nc=IN IP4 239.0.0.9/1\na=rtpmap:33 MP2T/90000\n",
            ),
        ];
        for (case, description, expected) in cases {
            let expected = format!("{head} {expected}").replace('\n', "\r\n");
            assert_eq!(describe(&description).unwrap(), expected, "{case}");
        }
    }

    #[test]
    fn a_payload_is_named_by_its_type_or_by_the_media() {
        let named = |name, channels| Some(Encoding { name, channels });
        let cases = [
            (0, 8_000, None, Some(("audio", "PCMU/8000"))),
            (8, 8_000, None, Some(("audio", "PCMA/8000"))),
            (10, 44_100, None, Some(("audio", "L16/44100/2"))),
            (11, 44_100, None, Some(("audio", "L16/44100"))),
            (14, 90_000, None, Some(("audio", "MPA/90000"))),
            (33, 90_000, None, Some(("video", "MP2T/90000"))),
            (96, 90_000, Some(MP2T), Some(("video", "MP2T/90000"))),
            (0, 8_000, named("PCMU", 1), Some(("audio", "PCMU/8000"))),
            (96, 48_000, named("L24", 1), Some(("audio", "L24/48000"))),
            (98, 48_000, named("L24", 8), Some(("audio", "L24/48000/8"))),
            (97, 16_000, named("L16", 2), Some(("audio", "L16/16000/2"))),
            (96, 8_000, named("X", 1), Some(("application", "X/8000"))),
            (96, 48_000, None, None),
            (0, 48_000, None, None),
            (33, 27_000_000, None, None),
        ];
        for (payload_type, clock_rate, encoding, expected) in cases {
            let flow = Flow { payload_type, clock_rate, encoding, ..flow("192.0.2.9:5004") };
            let expected = expected
                .map(|(media, rtpmap)| {
                    format!(
                        "v=0\r\no=- 3900000000 7 IN IP4 192.0.2.1\r\ns=film.ts\r\n\
                         c=IN IP4 192.0.2.9\r\nt=0 0\r\na=recvonly\r\n\
                         m={media} 5004 RTP/AVP {payload_type}\r\n\
                         a=rtpmap:{payload_type} {rtpmap}\r\n"
                    )
                })
                .ok_or(SdpError::NoEncoding { payload_type, clock_rate });
            assert_eq!(
                describe(&description("192.0.2.1", vec![flow])),
                expected,
                "{payload_type}/{clock_rate}"
            );
        }
    }

    #[test]
    fn a_packet_time_stands_behind_the_name() {
        let encoding = Some(Encoding { name: "L24", channels: 2 });
        let ptime = Some(Duration::from_micros(125));
        let flow = Flow { payload_type: 96, clock_rate: 48_000, encoding, ptime, ..flow("192.0.2.9:5004") };
        let sdp = describe(&description("192.0.2.1", vec![flow])).unwrap();
        let expected = "m=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L24/48000/2\r\na=ptime:0.125\r\n";
        assert!(sdp.ends_with(expected), "{sdp}");
    }

    proptest! {
        #[test]
        fn another_reader_reads_what_was_described(
            name: String, cname: String, destinations: Vec<std::net::SocketAddr>, ttl: Option<u8>, ssrc: u32,
        ) {
            let flows = destinations.iter().map(|destination| Flow {
                ttl,
                ssrc,
                source: Some(destination.ip()),
                cname: Some(cname.clone()),
                ..flow(&destination.to_string())
            });
            let sdp = describe(&Description { name, ..description("192.0.2.1", flows.collect()) }).unwrap();
            let session = Session::parse(sdp.as_bytes()).unwrap();
            prop_assert_eq!(session.medias.len(), destinations.len());
            for (media, destination) in session.medias.iter().zip(&destinations) {
                prop_assert_eq!(media.port, destination.port());
                prop_assert_eq!(&media.proto, "RTP/AVP");
                let connection = media.connections.first().or(session.connection.as_ref()).unwrap();
                let address = connection.connection_address.split('/').next().unwrap();
                prop_assert_eq!(address.parse(), Ok(destination.ip()));
                prop_assert_eq!(media.get_first_attribute_value("rtpmap").unwrap(), Some("33 MP2T/90000"));
                let source = media.get_first_attribute_value("ssrc").unwrap().unwrap();
                prop_assert!(source.starts_with(&format!("{ssrc} cname:")), "{}", source);
            }
        }
    }
}
