//! A flow as a block of text, at most 80 columns wide.

use super::view::View;
use indicatif::{HumanBytes, HumanCount};
use std::fmt::Write as _;

/// The block of one flow, with its line ends.
pub fn block(view: &View) -> String {
    let prepared = if view.prepared { ", prepared" } else { "" };
    let mut text = format!("{}, process {}{prepared}\n", view.destination, view.pid);
    let mut line = |line: String| writeln!(text, "  {}", line.trim_end()).expect("a string has room");
    line(format!("{:<15}{}", "source", view.source));
    for [left, right] in pairs(view) {
        line(format!("{:<15}{:<22}{:<16}{}", left.0, left.1, right.0, right.1));
    }
    line(format!("{:<15}{}", "dropped", dropped(view)));
    text
}

type Pair = (&'static str, String);

fn pairs(view: &View) -> [[Pair; 2]; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        [
            ("interface", interface(view.interface.as_deref(), view.interface_index)),
            ("segmenter", interface(view.segmenter.as_deref(), view.segmenter_index)),
        ],
        [("ssrc", format!("0x{:08x}", view.ssrc)), ("payload type", view.payload_type.to_string())],
        [
            ("next sequence", view.next_sequence.to_string()),
            ("last timestamp", or_dash(view.last_timestamp.map(|timestamp| timestamp.to_string()))),
        ],
        [
            ("clock", format!("{} Hz", view.clock_rate)),
            ("last departure", departure(view.since_departure_ns)),
        ],
        [("packets", HumanCount(view.packets).to_string()), ("octets", HumanBytes(view.octets).to_string())],
        [
            ("rate", or_dash(view.packets_per_second.map(|packets| format!("{packets:.0} packets/s")))),
            ("payload rate", or_dash(view.bits_per_second.map(|bits| format!("{:.2} Mb/s", bits / 1e6)))),
        ],
        [
            ("batches", HumanCount(view.batches).to_string()),
            ("per batch", or_dash(view.packets_per_batch.map(|packets| format!("{packets:.1} packets")))),
        ],
        [
            ("late", format!("{}, {} underruns", HumanCount(view.late), view.underruns)),
            ("worst", if view.worst_late_ns == 0 { "-".into() } else { duration(view.worst_late_ns) }),
        ],
    ]
}

/// An index means nothing here where it belongs to another namespace.
fn interface(name: Option<&str>, index: u32) -> String {
    match (name, index) {
        (Some(name), _) => name.to_owned(),
        (None, 0) => "none".into(),
        (None, index) => format!("{index} (another netns)"),
    }
}

fn departure(since: Option<i64>) -> String {
    let Some(since) = since else {
        return "-".into();
    };
    let length = duration(since.unsigned_abs());
    if since < 0 { format!("in {length}") } else { format!("{length} ago") }
}

/// Milliseconds while they say something, then seconds.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn duration(nanos: u64) -> String {
    let millis = nanos as f64 / 1e6;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.0} s", millis / 1e3)
    }
}

fn dropped(view: &View) -> String {
    if view.drops.is_empty() {
        return HumanCount(view.dropped).to_string();
    }
    let reasons: Vec<String> =
        view.drops.iter().map(|drop| format!("{} {}", drop.reason, HumanCount(drop.packets))).collect();
    format!("{}: {}", HumanCount(view.dropped), reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{block, departure};
    use crate::flows::view::tests::view;

    #[test]
    fn a_flow_in_mid_stream() {
        let expected = "\
239.1.2.3:5004, process 1234
  source         10.0.0.1:40000
  interface      eth0                  segmenter       krtp0
  ssrc           0x0102abcd            payload type    33
  next sequence  11809                 last timestamp  2883842
  clock          90000 Hz              last departure  3.0 ms ago
  packets        12,345                octets          15.49 MiB
  rate           960 packets/s         payload rate    10.11 Mb/s
  batches        257                   per batch       48.0 packets
  late           7, 2 underruns        worst           35 ms
  dropped        10: sum and timeline missing 10
";
        assert_eq!(block(&view(|state| state.drops = [0, 10, 0, 0])), expected);
    }

    #[test]
    fn a_prepared_flow_says_so() {
        let block = block(&view(|state| (state.prepared, state.segmenter) = (1, 0)));
        assert!(block.starts_with("239.1.2.3:5004, process 1234, prepared\n"), "{block}");
        assert!(block.contains("segmenter       none\n"), "{block}");
    }

    #[test]
    fn a_flow_that_has_not_begun_in_another_namespace() {
        let mut view = view(|state| {
            (state.packets, state.octets, state.batches, state.last_departure) = (0, 0, 0, 0);
            (state.late, state.worst_late, state.underruns) = (0, 0, 0);
            state.segmenter = 0;
        });
        (view.interface, view.packets_per_second, view.bits_per_second) = (None, None, None);
        let expected = "\
239.1.2.3:5004, process 1234
  source         10.0.0.1:40000
  interface      2 (another netns)     segmenter       none
  ssrc           0x0102abcd            payload type    33
  next sequence  11809                 last timestamp  -
  clock          90000 Hz              last departure  -
  packets        0                     octets          0 B
  rate           -                     payload rate    -
  batches        0                     per batch       -
  late           0, 0 underruns        worst           -
  dropped        0
";
        assert_eq!(block(&view), expected);
    }

    #[test]
    fn large_numbers_stay_within_80_columns() {
        let block = block(&view(|state| {
            state.ssrc = u32::MAX;
            state.packets = 999_999_999_999;
            state.octets = 999_999_999_999_999;
            state.last_departure = 1;
        }));
        for line in block.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn departures_are_read_at_a_glance() {
        for (since, expected) in [
            (None, "-"),
            (Some(0), "0.0 ms ago"),
            (Some(3_120_000), "3.1 ms ago"),
            (Some(-20_000_000), "in 20 ms"),
            (Some(61_400_000_000), "61 s ago"),
        ] {
            assert_eq!(departure(since), expected, "{since:?}");
        }
    }
}
