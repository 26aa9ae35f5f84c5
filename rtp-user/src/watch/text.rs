//! A report as text: a table while it grows, blocks of at most 80 columns at
//! the end.

use super::{
    histogram::Spans,
    view::{Lateness, Packets, Report, Times, View},
};
use indicatif::{HumanBytes, HumanCount};
use std::fmt::Write as _;

/// Rows of a table, and streams that get a block at the end.
const ROWS: usize = 20;

/// The table of what came so far: the streams with the most losses first.
pub fn table(report: &Report) -> String {
    let mut text = format!("{}, {}: {}\n", report.interface, report.path, sum(report));
    let mut streams: Vec<&View> = report.streams.iter().collect();
    streams.sort_by_key(|view| std::cmp::Reverse(view.counts.lost));
    let rows = streams.iter().take(ROWS).map(|view| row(view));
    let rows: Vec<[String; 9]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    for row in &rows {
        let [first, rest @ ..] = row;
        let mut line = format!("{first:<width$}", width = widths[0]);
        for (cell, width) in rest.iter().zip(&widths[1..]) {
            write!(line, "  {cell:>width$}").expect("a string has room");
        }
        text += line.trim_end();
        text.push('\n');
    }
    if streams.len() > ROWS {
        writeln!(text, "and {} more", streams.len() - ROWS).expect("a string has room");
    }
    text + &notes(report)
}

const HEAD: [&str; 9] =
    ["destination", "SSRC", "packets", "lost", "late", "dup", "jitter", "error p99", "burst"];

fn row(view: &View) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let Packets { packets, lost, reordered, duplicates, .. } = view.counts;
    [
        view.destination.to_string(),
        format!("{:08x}", view.ssrc),
        packets.to_string(),
        lost.to_string(),
        reordered.to_string(),
        duplicates.to_string(),
        or_dash(view.jitter_ns.map(span)),
        or_dash(view.times.interarrival_error.map(|spans| span(spans.p99_ns as f64))),
        or_dash(view.times.longest_burst.map(|burst| burst.to_string())),
    ]
}

/// The whole report: each stream's block, or the table where they are many.
pub fn report(report: &Report) -> String {
    if report.streams.is_empty() {
        return format!("{}: no RTP arrived\n{}", report.interface, notes(report));
    }
    if report.streams.len() > ROWS {
        return table(report) + &times(&report.total.times);
    }
    let mut text: String = report.streams.iter().map(block).collect();
    if report.streams.len() > 1 {
        writeln!(text, "all: {}", sum(report)).expect("a string has room");
        text += &times(&report.total.times);
    }
    text + &notes(report)
}

fn sum(report: &Report) -> String {
    let Packets { packets, lost, reordered, duplicates, .. } = report.total.counts;
    let plural = if report.total.streams == 1 { "" } else { "s" };
    format!(
        "{} stream{plural}, {} packets, {lost} lost, {reordered} late, {duplicates} twice",
        report.total.streams,
        HumanCount(packets),
    )
}

fn block(view: &View) -> String {
    let counts = &view.counts;
    let mut text = format!("{} from {}\n", view.destination, view.source);
    let clock = view.clock_rate.map_or_else(String::new, |rate| format!(", clock {rate} Hz"));
    let named = format!("SSRC 0x{:08x}, payload type {}{clock}", view.ssrc, view.payload_type);
    line(&mut text, "stream", &named);
    if view.clock_rate.is_none() {
        let remedy = format!("not known, so no jitter: give --clock-rate {}=HZ", view.payload_type);
        line(&mut text, "clock", &remedy);
    }
    let rates = if view.seconds > 0.0 {
        let bits = counts.octets as f64 * 8.0 / view.seconds / 1e6;
        format!(", {:.3} s, {bits:.2} Mb/s", view.seconds)
    } else {
        String::new()
    };
    let came = format!("{}, {} of payload{rates}", HumanCount(counts.packets), HumanBytes(counts.octets));
    line(&mut text, "packets", &came);
    let missing = format!("{} lost, {} late, {} twice", counts.lost, counts.reordered, counts.duplicates);
    let odd = match (counts.strays, counts.restarts) {
        (0, 0) => String::new(),
        (strays, restarts) => format!(", {strays} out of sequence, {restarts} new beginnings"),
    };
    line(&mut text, "missing", &(missing + &odd));
    line(
        &mut text,
        "numbers",
        &format!(
            "{} to {}, timestamps {} to {}, {} markers",
            view.first_sequence,
            view.last_sequence,
            view.first_timestamp,
            view.last_timestamp,
            counts.markers,
        ),
    );
    if let (Some(jitter), Some(largest)) = (view.jitter_ns, view.max_jitter_ns) {
        line(&mut text, "jitter", &format!("{}, largest {}", span(jitter), span(largest)));
    }
    if let Some(ppm) = view.rate_ppm {
        line(&mut text, "rate", &rate(ppm));
    }
    text + &times(&view.times)
}

/// How fast packets came, held against their timestamps.
fn rate(ppm: f64) -> String {
    if ppm.abs() < 10_000.0 {
        format!("{ppm:+.1} ppm against the timestamps")
    } else {
        format!("{:.2} times that of the timestamps", 1.0 + ppm / 1e6)
    }
}

fn times(times: &Times) -> String {
    let mut text = String::new();
    let spans = [("gaps", times.interarrival), ("gap errors", times.interarrival_error)];
    for (name, spans) in spans {
        if let Some(Spans { p50_ns, p90_ns, p99_ns, max_ns }) = spans {
            let [p50, p90, p99, max] = [p50_ns, p90_ns, p99_ns, max_ns].map(|nanos| span(nanos as f64));
            line(&mut text, name, &format!("p50 {p50}, p90 {p90}, p99 {p99}, max {max}"));
        }
    }
    if let Some(lateness) = &times.lateness {
        line(&mut text, "lateness", &late(lateness));
        let shown = lateness.within_ms.iter().filter(|(millis, _)| **millis != 2);
        let within = shown.map(|(millis, share)| format!("{millis} ms {:.2} %", share * 100.0));
        line(&mut text, "within", &within.collect::<Vec<_>>().join(", "));
    }
    if let Some(burst) = times.longest_burst {
        line(&mut text, "burst", &format!("{burst} at most"));
    }
    text
}

fn late(lateness: &Lateness) -> String {
    let Lateness { earliest_ns, p1_ns, p99_ns, latest_ns, .. } = *lateness;
    let [earliest, p1, p99, latest] = [earliest_ns, p1_ns, p99_ns, latest_ns]
        .map(|nanos| format!("{}{}", if nanos < 0 { "-" } else { "+" }, span(nanos.unsigned_abs() as f64)));
    format!("p1 {p1}, p99 {p99}, from {earliest} to {latest}")
}

/// What is missing from the figures, and why.
fn notes(report: &Report) -> String {
    let mut text = String::new();
    for (count, what) in [
        (report.without_room, "packets of further streams were not followed: give a larger --streams"),
        (report.batches, "batches came uncut and were not followed: try --mode tc"),
        (report.busy, "packets are missing here: another CPU was busy with their stream"),
    ] {
        if count != 0 {
            writeln!(text, "{} {what}", HumanCount(count)).expect("a string has room");
        }
    }
    text
}

fn line(text: &mut String, name: &str, words: &str) {
    writeln!(text, "  {name:<12}{words}").expect("a string has room");
}

/// A span of nanoseconds in three digits.
fn span(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => return format!("{n:.0} ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::{report, span, table};
    use crate::watch::view::Report;
    use bytemuck::Zeroable as _;
    use rtp_common::watch::{
        frame::{Header, Key},
        settings::Totals,
        stats::{Packet, Stream},
    };

    /// A stream of ten packets, one lost and one twice, a millisecond from one to the next.
    fn stream(ssrc: u32, clock_rate: u32) -> Box<Stream> {
        let destination = [0, 0, 0xffff_u32.to_be(), u32::from_be_bytes([239, 1, 2, 3]).to_be()];
        let key = Key { destination, destination_port: 5004, ssrc, ..Key::default() };
        let mut stream = Box::new(Stream { key, clock_rate, ..Stream::zeroed() });
        for number in [0, 1, 2, 4, 5, 6, 6, 7, 8, 9] {
            let header = Header { word: 0x8021_0000 | number, timestamp: number * 90 };
            let arrival = 1_000_000_000 + u64::from(number) * 1_000_000;
            stream.stats.arrive(&Packet { header, octets: 1316, arrival }, clock_rate);
        }
        stream
    }

    fn shown(streams: usize, clock_rate: u32, totals: Totals) -> Report {
        let streams = (0..streams as u32).map(|number| stream(number, clock_rate));
        Report::new("eth0", "native XDP", false, &totals, streams)
    }

    #[test]
    fn a_stream_has_a_block() {
        let expected = "\
239.1.2.3:5004 from 0.0.0.0:0
  stream      SSRC 0x00000000, payload type 33, clock 90000 Hz
  packets     10, 12.85 KiB of payload, 0.009 s, 11.70 Mb/s
  missing     1 lost, 0 late, 1 twice
  numbers     0 to 9, timestamps 0 to 810, 0 markers
  jitter      0 ns, largest 0 ns
  rate        +0.0 ppm against the timestamps
  gaps        p50 999 us, p90 2.00 ms, p99 2.00 ms, max 2.00 ms
  gap errors  p50 0 ns, p90 0 ns, p99 0 ns, max 0 ns
  lateness    p1 +0 ns, p99 +0 ns, from +0 ns to +0 ns
  within      1 ms 100.00 %, 5 ms 100.00 %, 10 ms 100.00 %, 20 ms 100.00 %
  burst       1 at most
";
        assert_eq!(report(&shown(1, 90_000, Totals::default())), expected.replace("0.0.0.0:0", "[::]:0"));
    }

    #[test]
    fn what_needs_a_clock_is_not_shown_without_one() {
        let text = report(&shown(1, 0, Totals::default()));
        assert!(text.contains("give --clock-rate 33=HZ"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for absent in ["jitter  ", "gap errors", "lateness", "burst", "ppm"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn many_streams_are_a_table() {
        let text = report(&shown(30, 90_000, Totals::default()));
        assert!(
            text.starts_with("eth0, native XDP: 30 streams, 300 packets, 30 lost, 0 late, 30 twice\n"),
            "{text}"
        );
        assert!(text.contains("\nand 10 more\n"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn what_was_not_followed_is_said() {
        let totals = Totals { places: 1, no_place: 1234, batches: 5, busy: 6 };
        for text in [table(&shown(1, 90_000, totals)), report(&shown(0, 0, totals))] {
            for words in
                ["1,234 packets of further streams", "--streams", "5 batches", "--mode tc", "6 packets"]
            {
                assert!(text.contains(words), "{words}: {text}");
            }
        }
    }

    #[test]
    fn spans_have_three_digits() {
        for (nanos, text) in
            [(0.0, "0 ns"), (999.0, "999 ns"), (1_000.0, "1.00 us"), (56_789_000.0, "56.8 ms")]
        {
            assert_eq!(span(nanos), text);
        }
        assert_eq!(span(12_345_678_900.0), "12.3 s");
    }
}
