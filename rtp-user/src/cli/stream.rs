//! `krtp stream`: one stream's options, or a list of them.

use super::{
    Cli, Command,
    headers::Headers,
    values::{
        check_max_rate, parse_ahead, parse_duration, parse_loop, parse_max_rate, parse_pace, parse_source,
        parse_time,
    },
};
use crate::{
    engine::Checksum,
    net::qdisc::Kind,
    pace::{OnLate, Pace},
    prepare::CACHE_SIZE,
    stream::{EngineChoice, Options},
};
use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;
use clap::{Args, Parser};
use std::{
    collections::HashMap,
    ffi::OsString,
    fs, io,
    net::{SocketAddr, ToSocketAddrs},
    path::{self, PathBuf},
    time::Duration,
};

/// Options of `krtp stream`.
#[derive(Args, Debug)]
#[command(args_override_self = true)]
pub struct Stream {
    /// The file: an MPEG transport stream, audio (WAV, AU, .ulaw, .alaw, or raw with --pt 0, 8, 10
    /// or 11), or anything with --pt, --clock-rate and --payload; several files follow one another as
    /// one flow
    #[arg(required_unless_present = "list")]
    pub files: Vec<PathBuf>,
    /// Where to; may be given more than once, one flow each
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "list")]
    pub to: Vec<String>,
    /// Many streams at once: each line of FILE (or of standard input: `-`) is the arguments of one,
    /// added to those given here
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Interface to leave through [default: the route's]
    #[arg(long, value_name = "IFACE")]
    pub iface: Option<String>,
    /// The qdisc to have there while it streams; what was there is then put back
    #[arg(long, value_enum, value_name = "KIND")]
    pub qdisc: Option<Kind>,
    /// The most that one flow may send through that fq, headers included: what a stall of the host has
    /// held up then leaves at this rate and not at once. It holds for all flows on the interface
    #[arg(long, value_name = "BITRATE", value_parser = parse_max_rate)]
    pub max_rate: Option<u32>,
    /// Who writes the headers
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// `pcr`: at the file's own rate; `none`: as fast as it goes; or payload bits per second (not for audio)
    #[arg(long, value_name = "pcr|none|BITRATE", default_value = "pcr", value_parser = parse_pace)]
    pub pace: Pace,
    /// Play N times in all; for ever without N
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "", value_parser = parse_loop)]
    pub r#loop: Option<u64>,
    /// Where in the (first) file to begin: 90, 1:30, 0:01:30.5 or 1500ms
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_time)]
    pub start: Duration,
    /// How long to play at most; with --loop, what lies between is played again
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// How long before they leave packets are handed over, where the interface keeps departure times (fq)
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = parse_ahead)]
    pub ahead: Duration,
    /// How many packets may leave together where it does not
    #[arg(long, value_name = "PACKETS", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..))]
    pub burst: u8,
    /// What becomes of packets that are later than --max-late
    #[arg(long, value_enum, default_value_t)]
    pub on_late: OnLate,
    /// How late packets may be: until then a stream hurries to catch up
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_duration)]
    pub max_late: Duration,
    /// What packets hold, and what their headers say
    #[command(flatten)]
    pub headers: Headers,
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
    /// Send a prepared copy of the file, kept in this directory and made there on first use: cheaper for
    /// many viewers, who then share SSRC, sequence numbers and timestamps
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// What all copies there may take; those first that were used least recently are removed
    #[arg(long, value_name = "SIZE", default_value = CACHE_SIZE)]
    pub cache_size: ByteSize,
    /// Write a session description for receivers
    #[arg(long, value_name = "FILE")]
    pub sdp: Option<PathBuf>,
    /// Report as one JSON object at the end
    #[arg(long)]
    pub json: bool,
}

impl Stream {
    /// The streams that are asked for: this one, or those of the list.
    /// `arguments`: those of the command line that this was read from.
    pub fn all(self, arguments: &[OsString]) -> Result<Vec<Options>> {
        let Some(list) = &self.list else { return Ok(vec![self.options()?]) };
        let name = list.display();
        let text =
            if list.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(list) };
        let text = text.with_context(|| format!("cannot read the list {name}"))?;
        let common = without_list(arguments);
        let (mut streams, mut described) = (Vec::new(), HashMap::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let stream = of_line(&common, line).with_context(|| format!("{name}, line {number}"))?;
                if let Some(sdp) = &stream.sdp
                    && let Some(before) = described.insert(path::absolute(sdp)?, number)
                {
                    bail!(
                        "{name}, line {number}: --sdp {} is that of line {before}, too: give each stream its own",
                        sdp.display()
                    );
                }
                streams.push(stream);
            }
        }
        ensure!(!streams.is_empty(), "{name} lists no stream: write the arguments of one in each line");
        Ok(streams)
    }

    /// The options, with host names looked up.
    fn options(self) -> Result<Options> {
        check_max_rate(self.qdisc, self.max_rate)?;
        let to = self.to.iter().map(|to| look_up(to, self.source)).collect::<Result<_>>()?;
        Ok(Options {
            files: self.files,
            to,
            interface: self.iface,
            qdisc: self.qdisc,
            max_rate: self.max_rate,
            engine: self.engine,
            pace: self.pace,
            plays: match self.r#loop {
                None => Some(1),
                Some(0) => None,
                plays => plays,
            },
            start: self.start,
            duration: self.duration,
            ahead: self.ahead,
            burst: self.burst.into(),
            on_late: self.on_late,
            max_late: self.max_late,
            cache: self.cache,
            cache_size: self.cache_size.0,
            wish: self.headers.wish(),
            ssrc: self.headers.ssrc,
            sequence: self.headers.seq,
            timestamp: self.headers.timestamp,
            ttl: self.ttl,
            dscp: self.dscp,
            source: self.source,
            checksum: self.checksum,
            sdp: self.sdp,
            json: self.json,
        })
    }
}

/// The stream that `line` of a list asks for, beside what is `common` to all.
fn of_line(common: &[OsString], line: &str) -> Result<Options> {
    let words = shlex::split(line).context("a quotation mark is missing")?;
    let arguments = common.iter().cloned().chain(words.into_iter().map(OsString::from));
    match Cli::try_parse_from(arguments).map(|cli| cli.command) {
        Ok(Command::Stream(stream)) if stream.list.is_none() => stream.options(),
        Ok(_) => bail!("a list does not name another list"),
        Err(error) => {
            bail!("{}", message(&error.to_string()))
        }
    }
}

/// What clap says of a mistake, as one line without the usage behind it.
fn message(text: &str) -> String {
    let mut lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let first = lines.next().unwrap_or_default();
    let rest = lines.collect::<Vec<_>>().join(", ");
    format!("{} {rest}", first.strip_prefix("error: ").unwrap_or(first)).trim_end().to_owned()
}

/// `arguments` without `--list` and its value.
fn without_list(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--list" {
            arguments.next();
        } else if !argument.to_string_lossy().starts_with("--list=") {
            kept.push(argument.clone());
        }
    }
    kept
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

#[cfg(test)]
mod tests {
    use super::{Cli, Command, look_up};
    use crate::stream::Options;
    use clap::Parser;
    use std::ffi::OsString;

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

    fn listed(arguments: &[&str], text: &str) -> Result<Vec<Options>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let list = directory.path().join("list");
        std::fs::write(&list, text).expect("room for it");
        let mut line = vec!["krtp".into(), "stream".into(), "--list".into(), list.clone().into_os_string()];
        line.extend(arguments.iter().map(OsString::from));
        let Command::Stream(stream) = Cli::try_parse_from(&line).expect("parses").command else {
            panic!("not a stream")
        };
        let without =
            |error: anyhow::Error| format!("{error:#}").replace(&list.display().to_string(), "list");
        stream.all(&line).map_err(without)
    }

    #[test]
    fn a_list_has_a_stream_in_each_line() {
        let text = "# two of them\n\na.ts --to 192.0.2.1:5004 --loop 2\n'b c.ts' d.ts --to 192.0.2.2:5004\n";
        let streams = listed(&["--loop", "--burst=3"], text).expect("two streams");
        let told: Vec<_> =
            streams.iter().map(|stream| (stream.files.len(), stream.plays, stream.burst)).collect();
        assert_eq!(told, [(1, Some(2), 3), (2, None, 3)]);
        assert_eq!(streams[1].files[0].to_str(), Some("b c.ts"));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, message) in [
            ("", "list lists no stream: write the arguments of one in each line"),
            ("a.ts", "list, line 1: the following required arguments were not provided: --to <HOST:PORT>"),
            (
                "--loop",
                "list, line 1: the following required arguments were not provided: --to <HOST:PORT>, <FILES>...",
            ),
            (
                "a.ts --to 192.0.2.1:5004 --engine fast",
                "list, line 1: invalid value 'fast' for '--engine <ENGINE>' [possible values: auto, kernel, user]",
            ),
            ("\na.ts --to 192.0.2.1:5004 --bust 3", "list, line 2: unexpected argument '--bust' found"),
            ("'a.ts --to 192.0.2.1:5004", "list, line 1: a quotation mark is missing"),
            ("a.ts --to 192.0.2.1", "list, line 1: --to 192.0.2.1: write HOST:PORT"),
            (
                "a.ts --to 192.0.2.1:1 --sdp a.sdp\n\nb.ts --to 192.0.2.1:2 --sdp ./a.sdp",
                "list, line 3: --sdp ./a.sdp is that of line 1, too: give each stream its own",
            ),
            ("--list b", "list, line 1: a list does not name another list"),
        ] {
            let error = listed(&[], text).expect_err(text);
            assert!(error.starts_with(message) && error.lines().count() == 1, "{text:?}: {error}");
        }
    }
}
