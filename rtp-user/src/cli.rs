//! The command line.

use crate::{
    engine::Checksum,
    media::Wish,
    stream::{EngineChoice, Options, Pace},
};
use anyhow::{Context, Result, bail, ensure};
use clap::{ArgAction, Args, Parser, Subcommand};
use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

/// Streams media files as RTP with the kernel doing the per-packet work.
#[derive(Debug, Parser)]
#[command(name = "krtp", version, max_term_width = 100)]
pub struct Cli {
    /// Show more: what krtp does, and the log of its program in the kernel (-vv: all of it)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what this host and interface can do, what krtp will therefore use, and how to get more
    Doctor {
        /// The interface; all that are up if none is named
        interface: Option<String>,
        /// Load the program and list its parts
        #[arg(long)]
        load: bool,
    },
    /// Load the program, attach it to an interface and keep it there until `detach`
    Attach {
        /// The interface
        interface: String,
        /// How many flows it can hold at a time
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        flows: u32,
    },
    /// Undo `attach` wholly
    Detach {
        /// The interface
        interface: String,
    },
    /// Stream a file as RTP
    Stream(Box<Stream>),
    /// Show the flows in the maps, live
    Flows {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Once a second, until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
}

/// Options of `krtp stream`.
#[derive(Args, Debug)]
pub struct Stream {
    /// The file: an MPEG transport stream, or anything with --pt, --clock-rate and --payload
    pub file: PathBuf,
    /// Where to; may be given more than once, one flow each
    #[arg(long, value_name = "HOST:PORT", required = true)]
    pub to: Vec<String>,
    /// Interface to leave through [default: the route's]
    #[arg(long, value_name = "IFACE")]
    pub iface: Option<String>,
    /// Who writes the headers
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// `pcr`: at the file's own rate; `none`: as fast as it goes; or payload bits per second
    #[arg(long, value_name = "pcr|none|BITRATE", default_value = "pcr", value_parser = parse_pace)]
    pub pace: Pace,
    /// Play N times in all; for ever without N
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "", value_parser = parse_loop)]
    pub r#loop: Option<u64>,
    /// Payload octets of a packet [default: 1316 for MPEG-TS]
    #[arg(long, value_name = "BYTES")]
    pub payload: Option<u32>,
    /// Payload type [default: 33 for MPEG-TS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    pub pt: Option<u8>,
    /// Clock rate of the timestamps [default: 90000 for MPEG-TS]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub clock_rate: Option<u32>,
    /// SSRC of the first flow, decimal or 0x… [default: random]
    #[arg(long, value_name = "X", value_parser = parse_number)]
    pub ssrc: Option<u32>,
    /// First sequence number [default: random]
    #[arg(long, value_name = "N")]
    pub seq: Option<u16>,
    /// First timestamp, decimal or 0x… [default: random]
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub timestamp: Option<u32>,
    /// Time to live, or hop limit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Differentiated services code point
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=63))]
    pub dscp: Option<u8>,
    /// Address to send from
    #[arg(long, value_name = "IP[:PORT]", value_parser = parse_source)]
    pub source: Option<SocketAddr>,
    /// The UDP checksum; `zero`: none (IPv4 only)
    #[arg(long, value_enum, default_value_t)]
    pub checksum: Checksum,
    /// Write a session description for receivers
    #[arg(long, value_name = "FILE")]
    pub sdp: Option<PathBuf>,
    /// Report as one JSON object at the end
    #[arg(long)]
    pub json: bool,
}

impl Stream {
    /// The options, with host names looked up.
    pub fn options(self) -> Result<Options> {
        let to = self.to.iter().map(|to| look_up(to, self.source)).collect::<Result<_>>()?;
        Ok(Options {
            file: self.file,
            to,
            interface: self.iface,
            engine: self.engine,
            pace: self.pace,
            plays: match self.r#loop {
                None => Some(1),
                Some(0) => None,
                plays => plays,
            },
            wish: Wish { payload_type: self.pt, clock_rate: self.clock_rate, payload: self.payload },
            ssrc: self.ssrc,
            sequence: self.seq,
            timestamp: self.timestamp,
            ttl: self.ttl,
            dscp: self.dscp,
            source: self.source,
            checksum: self.checksum,
            sdp: self.sdp,
            json: self.json,
        })
    }
}

/// The first address of `to`, of the source's family where one is given.
fn look_up(to: &str, source: Option<SocketAddr>) -> Result<SocketAddr> {
    let (host, port) = to.rsplit_once(':').unwrap_or_default();
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    ensure!(
        !host.is_empty() && digits && (bracketed || !host.contains(':')),
        "--to {to}: write HOST:PORT, an IPv6 address as [ADDRESS]:PORT"
    );
    ensure!(port.parse::<u16>().is_ok(), "--to {to}: {port} is no port; give one from 1 to 65535");
    let mut addresses = match to.to_socket_addrs() {
        Ok(addresses) => addresses.collect::<Vec<_>>(),
        Err(error) => bail!("--to {to}: {error}; check the name, or give the host's address"),
    };
    if let Some(source) = source
        && addresses.iter().any(|address| address.is_ipv4() == source.is_ipv4())
    {
        addresses.retain(|address| address.is_ipv4() == source.is_ipv4());
    }
    addresses.first().copied().with_context(|| format!("--to {to}: the host has no address"))
}

fn parse_pace(text: &str) -> Result<Pace, String> {
    match text {
        "pcr" => Ok(Pace::Pcr),
        "none" => Ok(Pace::None),
        bits => match bits.parse() {
            Ok(0) | Err(_) => Err("give pcr, none, or payload bits per second, such as 4000000".into()),
            Ok(bits) => Ok(Pace::Bits(bits)),
        },
    }
}

/// Zero stands for "for ever" inside, where no number is given; nobody may write it.
fn parse_loop(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(plays) if plays > 0 => Ok(plays),
        Err(_) if text.is_empty() => Ok(0),
        _ => Err("give how many times to play in all, or nothing to play for ever".into()),
    }
}

fn parse_number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "give a number of 32 bits, decimal or 0x…".into())
}

fn parse_source(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .map(|address| SocketAddr::new(address, 0))
        .map_err(|_| "give an address of this host, with or without :PORT".into())
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command, look_up, parse_number, parse_pace, parse_source};
    use crate::stream::{Options, Pace};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn options(arguments: &[&str]) -> Options {
        let line = ["krtp", "stream", "a.ts", "--to", "192.0.2.1:5004"].iter().chain(arguments);
        match Cli::try_parse_from(line).expect("parses").command {
            Command::Stream(stream) => stream.options().expect("an address"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_loop_is_once_or_n_times_or_for_ever() {
        for (arguments, plays) in
            [(&[] as &[&str], Some(1)), (&["--loop"], None), (&["--loop", "3"], Some(3))]
        {
            assert_eq!(options(arguments).plays, plays, "{arguments:?}");
        }
    }

    #[test]
    fn zero_plays_are_refused() {
        let line = ["krtp", "stream", "a.ts", "--to", "192.0.2.1:5004", "--loop", "0"];
        assert!(Cli::try_parse_from(line).is_err());
    }

    #[test]
    fn destinations_are_addresses_with_ports() {
        for good in ["192.0.2.1:5004", "[2001:db8::1]:5004", "localhost:5004"] {
            assert!(look_up(good, None).is_ok(), "{good}");
        }
        let no_brackets = ["2001:db8::1", "2001:db8::1:5004"];
        let no_host_or_port = ["192.0.2.1", ":5004", "192.0.2.1:", "[2001:db8::1]"];
        let no_port = ["192.0.2.1:70000", "192.0.2.1:x", "192.0.2.1:+5", "192.0.2.1:-5"];
        for bad in no_brackets.iter().chain(&no_host_or_port).chain(&no_port) {
            assert!(look_up(bad, None).is_err(), "{bad}");
        }
        let source = "[::1]:0".parse().ok();
        assert!(look_up("[::1]:5", source).expect("an address").is_ipv6());
    }

    #[test]
    fn paces_numbers_and_sources_are_read() {
        assert_eq!(parse_pace("pcr"), Ok(Pace::Pcr));
        assert_eq!(parse_pace("4000000"), Ok(Pace::Bits(4_000_000)));
        assert!(parse_pace("0").is_err() && parse_pace("fast").is_err());
        assert_eq!(parse_number("0xDEADBEEF"), Ok(0xdead_beef));
        assert_eq!(parse_number("7"), Ok(7));
        assert!(parse_number("4294967296").is_err());
        for (text, port) in [
            ("192.0.2.9", 0),
            ("192.0.2.9:77", 77),
            ("2001:db8::9", 0),
            ("[2001:db8::9]:77", 77),
            ("[::1]", 0),
        ] {
            assert_eq!(parse_source(text).map(|address| address.port()), Ok(port), "{text}");
        }
    }
}
