//! What the program makes of a stream's packets.

use crate::{
    frame::{Frame, rtp},
    rig::{Rig, XDP_DROP, XDP_PASS, options},
};
use krtp::watch::Options;

/// Runs packets with these sequence numbers.
fn numbers(rig: &mut Rig, numbers: impl IntoIterator<Item = u16>) {
    for number in numbers {
        rig.xdp(&Frame::new(rtp(number, u32::from(number) * 90, 3)).bytes());
    }
}

#[test]
fn sequence_numbers_are_followed() {
    // (lost, reordered, duplicates, strays, restarts)
    type Case<'a> = (&'a str, &'a [u16], (u64, u64, u64, u64, u64));
    let cases: &[Case] = &[
        ("in order", &[1, 2, 3], (0, 0, 0, 0, 0)),
        ("a loss", &[1, 2, 5], (2, 0, 0, 0, 0)),
        ("late", &[1, 3, 2, 4], (0, 1, 0, 0, 0)),
        ("twice", &[1, 2, 2, 1, 3], (0, 0, 2, 0, 0)),
        ("late and twice", &[1, 4, 2, 2], (1, 1, 1, 0, 0)),
        ("over the wrap", &[65_534, 65_535, 0, 1], (0, 0, 0, 0, 0)),
        ("a loss over the wrap", &[65_534, 1], (2, 0, 0, 0, 0)),
        ("late over the wrap", &[65_534, 0, 65_535], (0, 1, 0, 0, 0)),
        ("a stray", &[1, 30_000, 2], (0, 0, 0, 1, 0)),
        ("a new beginning", &[1, 30_000, 30_001], (0, 0, 0, 0, 1)),
    ];
    for (case, sequence, expected) in cases {
        let mut rig = Rig::new(&options());
        numbers(&mut rig, sequence.iter().copied());
        let counts = rig.only().counts;
        let seen = (counts.lost, counts.reordered, counts.duplicates, counts.strays, counts.restarts);
        assert_eq!((counts.packets, seen), (sequence.len() as u64, *expected), "{case}");
    }
}

#[test]
fn a_stream_has_its_names_and_figures() {
    let mut rig = Rig::new(&options());
    for ipv6 in [false, true] {
        for number in 0..100 {
            let mut octets = rtp(
                65_500_u16.wrapping_add(number),
                4_294_967_000_u32.wrapping_add(u32::from(number) * 90_000),
                0xabcd,
            );
            octets[1] |= if number % 10 == 0 { 0x80 } else { 0 };
            rig.xdp(&Frame { ipv6, ..Frame::new(octets) }.bytes());
        }
    }
    let report = rig.report();
    let names: Vec<_> =
        report.streams.iter().map(|view| (view.source.to_string(), view.destination.to_string())).collect();
    let expected = [("198.18.0.1:4000", "198.18.0.2:5004"), ("[2001:2::1]:4000", "[2001:2::2]:5004")];
    assert_eq!(names, expected.map(|(source, destination)| (source.to_owned(), destination.to_owned())));
    for view in &report.streams {
        assert_eq!((view.ssrc, view.payload_type, view.clock_rate), (0xabcd, 33, Some(90_000)));
        assert_eq!((view.counts.packets, view.counts.octets, view.counts.markers), (100, 1000, 10));
        assert_eq!((view.first_sequence, view.last_sequence), (65_500, 63));
        assert_eq!((view.timestamp_ticks, view.first_timestamp), (99 * 90_000, 4_294_967_000));
        assert_eq!(view.first_timestamp.wrapping_add(99 * 90_000), view.last_timestamp);
        // Test runs come far faster than a second apart, on any machine.
        assert_eq!(view.times.longest_burst, Some(100));
        assert!(view.jitter_ns.is_some_and(|nanos| nanos > 0.0), "{view:?}");
        let error = view.times.interarrival_error.expect("99 of them");
        assert!(error.max_ns <= 1_000_000_000 && error.p50_ns > 500_000_000, "{error:?}");
        let lateness = view.times.lateness.as_ref().expect("100 of them");
        let span = lateness.latest_ns - lateness.earliest_ns;
        assert!((49_000_000_000..=99_000_000_000).contains(&span), "{lateness:?}");
    }
    assert_eq!((report.total.streams, report.total.counts.packets), (2, 200));
}

#[test]
fn clocks_are_the_table_s_or_the_user_s() {
    let options = Options { clock_rates: vec![(96, 48_000)], ..options() };
    let mut rig = Rig::new(&options);
    for (ssrc, payload_type) in [(0, 0), (1, 11), (2, 96), (3, 97)] {
        let mut octets = rtp(1, 2, ssrc);
        octets[1] = payload_type;
        rig.xdp(&Frame::new(octets).bytes());
    }
    let rates: Vec<_> = rig.report().streams.iter().map(|view| view.clock_rate).collect();
    assert_eq!(rates, [Some(8_000), Some(44_100), Some(48_000), None]);
    let without = &rig.report().streams[3];
    assert_eq!((without.jitter_ns, without.rate_ppm, without.times.longest_burst), (None, None, None));
    assert!(without.times.lateness.is_none(), "{without:?}");
}

#[test]
fn streams_beyond_the_room_are_counted_and_passed() {
    let mut rig = Rig::new(&Options { drop: true, streams: 3, ..options() });
    for round in 0..4 {
        for ssrc in 0..5 {
            let verdict = rig.xdp(&Frame::new(rtp(round, 2, ssrc)).bytes());
            assert_eq!(verdict, if ssrc < 3 { XDP_DROP } else { XDP_PASS }, "SSRC {ssrc}");
        }
    }
    let report = rig.report();
    assert_eq!((report.total.streams, report.total.counts.packets, report.without_room), (3, 12, 8));
}

#[test]
fn ten_thousand_streams_have_room() {
    let mut rig = Rig::new(&Options { streams: 10_000, ..options() });
    for round in 0..2 {
        for ssrc in 0..10_000 {
            rig.xdp(&Frame::new(rtp(round, 2, ssrc)).bytes());
        }
    }
    let report = rig.report();
    assert_eq!((report.total.streams, report.total.counts.packets, report.without_room), (10_000, 20_000, 0));
    assert!(report.streams.iter().all(|view| view.counts.packets == 2 && view.counts.lost == 0));
}

/// XDP is not told how a batch is to be cut.
#[test]
fn a_batch_is_no_packet() {
    let mut rig = Rig::new(&Options { drop: true, ..options() });
    let longest = |octets: usize| Frame::new([rtp(1, 2, 3), vec![0; octets - 22 - 28]].concat()).bytes();
    assert_eq!(rig.xdp(&longest(1501)), XDP_PASS);
    assert_eq!((rig.report().batches, rig.report().total.counts.packets), (1, 0));
    assert_eq!(rig.xdp(&longest(1500)), XDP_DROP);
    assert_eq!((rig.report().batches, rig.only().counts.packets), (1, 1));
}
