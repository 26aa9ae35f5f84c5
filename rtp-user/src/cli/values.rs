//! What stands behind an option, read.

use crate::{net::qdisc::Kind, pace::Pace};
use anyhow::{Result, ensure};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub(crate) fn parse_pace(text: &str) -> Result<Pace, String> {
    match text {
        "pcr" => Ok(Pace::Pcr),
        "none" => Ok(Pace::None),
        bits => match bits.parse() {
            Ok(0) | Err(_) => Err("give pcr, none, or payload bits per second, such as 4000000".into()),
            Ok(bits) => Ok(Pace::Bits(bits)),
        },
    }
}

/// Bits per second, as the octets per second in which fq has it: 32 bits, of
/// which all ones mean no limit.
pub(crate) fn parse_max_rate(text: &str) -> Result<u32, String> {
    let octets = text.parse().ok().map(|bits: u64| bits.div_ceil(8)).filter(|&octets| octets > 0);
    let octets = octets.and_then(|octets| u32::try_from(octets).ok()).filter(|&octets| octets < u32::MAX);
    octets.ok_or_else(|| "give bits per second, such as 6000000, below 34000000000".into())
}

/// Who keeps `--max-rate`.
pub fn check_max_rate(qdisc: Option<Kind>, max_rate: Option<u32>) -> Result<()> {
    ensure!(qdisc.is_some() || max_rate.is_none(), "--max-rate is kept by fq: give --qdisc fq with it");
    Ok(())
}

/// `90`, `90.5s`, `1:30`, `1:02:03.5` or `1500ms`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "give seconds, M:S, H:M:S or milliseconds: 90, 1:30, 0:01:30.5, 1500ms".to_owned();
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().map(Duration::from_millis).map_err(|_| wrong());
    }
    let text = text.strip_suffix('s').unwrap_or(text);
    let (whole, seconds) = text.rsplit_once(':').unwrap_or(("0", text));
    let digits = seconds.starts_with(|c: char| c.is_ascii_digit());
    let seconds: f64 = seconds.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    let minutes = whole.split(':').try_fold(0u64, |sum, part| {
        let part: u32 = part.parse().ok()?;
        sum.checked_mul(60)?.checked_add(part.into())
    });
    let minutes = minutes.filter(|_| whole.matches(':').count() < 2).ok_or_else(wrong)?;
    let seconds = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    Ok(Duration::from_secs(minutes.saturating_mul(60)).saturating_add(seconds))
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Duration::ZERO => Err("give a time above zero".into()),
        duration => Ok(duration),
    }
}

/// Not beyond fq's horizon of 10 s, and not so little that the sender would
/// have to wake for every packet.
pub(crate) fn parse_ahead(text: &str) -> Result<Duration, String> {
    let ahead = parse_time(text)?;
    let range = Duration::from_millis(20)..=Duration::from_secs(5);
    if range.contains(&ahead) { Ok(ahead) } else { Err("give 20ms to 5s".into()) }
}

/// Decimal milliseconds, exactly.
pub(crate) fn parse_ptime(text: &str) -> Result<Duration, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|c| c.is_ascii_digit());
    let nanoseconds = format!("{whole}{part:0<6}").parse().unwrap_or_default();
    match nanoseconds {
        1..=1_000_000_000 if digits(whole) && digits(part) => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err("give milliseconds up to 1000, such as 1, 0.125 or 20".into()),
    }
}

/// Zero stands for "for ever" inside, where no number is given; nobody may write it.
pub(crate) fn parse_loop(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(plays) if plays > 0 => Ok(plays),
        Err(_) if text.is_empty() => Ok(0),
        _ => Err("give how many times to play in all, or nothing to play for ever".into()),
    }
}

pub(crate) fn parse_number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "give a number of 32 bits, decimal or 0x…".into())
}

/// A PID that may carry something: all but the null packets'.
pub(crate) fn parse_pid(text: &str) -> Result<u16, String> {
    let pid = parse_number(text).ok().and_then(|pid| u16::try_from(pid).ok());
    pid.filter(|&pid| pid < 0x1fff).ok_or_else(|| "give a PID from 0 to 8190, decimal or 0x…".into())
}

pub(crate) fn parse_source(text: &str) -> Result<SocketAddr, String> {
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
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("90", Some(90_000)),
            ("90.25", Some(90_250)),
            ("90.25s", Some(90_250)),
            ("1500ms", Some(1500)),
            ("1:30", Some(90_000)),
            ("1:02:03.5", Some(3_723_500)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1:", None),
            (":1", None),
            ("1:2:3:4", None),
            ("nan", None),
            ("1e99", None),
            ("1.5ms", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(parse_time(text).ok(), expected, "{text:?}");
        }
        assert!(parse_duration("0").is_err() && parse_ahead("5ms").is_err() && parse_ahead("11").is_err());
    }

    #[test]
    fn packet_times_are_decimal_milliseconds() {
        for (text, nanoseconds) in
            [("1", 1_000_000), ("0.125", 125_000), ("0.333333", 333_333), ("20.0", 20_000_000)]
        {
            assert_eq!(parse_ptime(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        let no_number = ["", ".", ".5", "1.", "1e3", "-1", "+1", "1,5", "x"];
        for text in no_number.iter().chain(&["0", "0.000", "1000.1", "0.0000001", "99999999"]) {
            assert!(parse_ptime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paces_numbers_and_sources_are_read() {
        assert_eq!(parse_pace("pcr"), Ok(Pace::Pcr));
        assert_eq!(parse_pace("4000000"), Ok(Pace::Bits(4_000_000)));
        assert!(parse_pace("0").is_err() && parse_pace("fast").is_err());
        for (bits, octets) in [
            ("6000000", Some(750_000)),
            ("1", Some(1)),
            ("9", Some(2)),
            ("34359738352", Some(u32::MAX - 1)),
            ("34359738353", None),
            ("18446744073709551615", None),
            ("0", None),
            ("-8", None),
            ("6M", None),
        ] {
            assert_eq!(parse_max_rate(bits).ok(), octets, "{bits}");
        }
        for (qdisc, rate, good) in [
            (None, None, true),
            (Some(Kind::Fq), None, true),
            (Some(Kind::Fq), Some(1), true),
            (None, Some(1), false),
        ] {
            assert_eq!(check_max_rate(qdisc, rate).is_ok(), good, "{qdisc:?}, {rate:?}");
        }
        assert_eq!(parse_number("0xDEADBEEF"), Ok(0xdead_beef));
        assert_eq!(parse_number("7"), Ok(7));
        assert!(parse_number("4294967296").is_err());
        assert_eq!((parse_pid("256"), parse_pid("0x1ffe")), (Ok(256), Ok(8190)));
        assert!(parse_pid("8191").is_err() && parse_pid("-1").is_err());
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
