use super::{Scan, Scanner, TABLES};
use crate::media::{
    clock::Knot,
    cone::{LONGEST, TOLERANCE},
    synth::{HERTZ, Synth, TS, WRAP, crc, programme},
    unroll::PcrCounts,
};
use proptest::prelude::*;

const PID: u16 = 0x100;
const OTHER: u16 = 0x200;

fn scanned(octets: &[u8], pid: Option<u16>) -> Scan {
    let mut scanner = Scanner::new(0..octets.len() as u64, pid);
    scanner.push(octets);
    scanner.finish()
}

/// The time of `octet` by `scan`.
fn time(scan: &Scan, octet: u64) -> u64 {
    scan.clock.stretch(octet).expect("a clock").ticks_at(octet)
}

/// A PCR as it was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    octet: u64,
    value: u64,
    flagged: bool,
}

/// Each usable PCR's octet and time, found from the list of all: what
/// [`super::Unroll`] says it does, done naively in wide signed numbers.
fn naive(pcrs: &[Written]) -> Vec<(u64, i128)> {
    let mut times: Vec<(u64, i128, u64)> = Vec::new();
    for pcr in pcrs {
        let Some(&(octet, at, value)) = times.last() else {
            times.push((pcr.octet, 0, pcr.value));
            continue;
        };
        let octets = i128::from(pcr.octet - octet);
        let around = i128::from(WRAP);
        let ahead = (i128::from(pcr.value) - i128::from(value)).rem_euclid(around);
        // The last PCRs that are a second or more apart from each other.
        let mut anchors = vec![(times[0].0, times[0].1)];
        for &(octet, at, _) in &times {
            if at - anchors[anchors.len() - 1].1 >= i128::from(HERTZ) {
                anchors.push((octet, at));
            }
        }
        let anchor = anchors[anchors.len().saturating_sub(2)];
        let (rate_octets, rate_ticks) = (i128::from(octet - anchor.0), at - anchor.1);
        let known = rate_ticks > 0;
        let jumps = 2 * ahead >= around
            || if known {
                ahead > i128::from(HERTZ) && 10 * octets * rate_ticks < rate_octets * ahead
            } else {
                ahead > i128::from(10 * HERTZ)
            };
        match (pcr.flagged, ahead, jumps, known) {
            (false, 0, ..) => {}
            (false, _, false, _) => times.push((pcr.octet, at + ahead, pcr.value)),
            (_, _, _, true) => {
                times.push((pcr.octet, at + octets * rate_ticks / rate_octets, pcr.value));
            }
            (_, _, _, false) => times = vec![(pcr.octet, 0, pcr.value)],
        }
    }
    times.into_iter().map(|(octet, at, _)| (octet, at)).collect()
}

/// What happens between two PCRs.
#[derive(Clone, Copy, Debug)]
enum Event {
    Ticks(u64),
    Flagged(u64),
    Jump(u64),
    Announced(u64),
    Noise(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => (0..HERTZ).prop_map(Event::Ticks),
        20 => Just(Event::Ticks(HERTZ / 25)),
        1 => (HERTZ..40 * HERTZ).prop_map(Event::Ticks),
        1 => (0..WRAP).prop_map(Event::Flagged),
        1 => (0..WRAP).prop_map(Event::Jump),
        1 => (1..3 * HERTZ).prop_map(|back| Event::Jump(WRAP - back)),
        1 => (0..WRAP).prop_map(Event::Announced),
        2 => (1usize..500).prop_map(Event::Noise),
    ]
}

/// A stream of these events, its PCRs, and how often octets were lost.
fn stream(lead: usize, first: u64, events: &[(usize, Event)]) -> (Vec<u8>, Vec<Written>, u64) {
    let mut synth = Synth::default();
    synth.pat(&[(1, 0x1000), (2, 0x1001)]);
    synth.pmt(0x1001, 2, OTHER);
    synth.payload(0x101, lead);
    synth.pmt(0x1000, 1, PID);
    let mut value = first;
    let mut pcrs = vec![Written { octet: synth.pcr(PID, value, false), value, flagged: false }];
    let mut losses = 0;
    for &(packets, event) in events {
        synth.payload(0x101, packets);
        // The other programme's clock has nothing to do with it.
        synth.pcr(OTHER, value / 2 + 77, false);
        let ticks = match event {
            Event::Ticks(ticks) | Event::Flagged(ticks) | Event::Jump(ticks) => ticks,
            Event::Announced(ticks) => {
                synth.announce(PID);
                ticks
            }
            Event::Noise(octets) => {
                synth.noise(octets);
                // Enough for sync to be found.
                synth.payload(0x101, 2);
                losses += 1;
                HERTZ / 30
            }
        };
        value = (value + ticks) % WRAP;
        let octet = synth.pcr(PID, value, matches!(event, Event::Flagged(_)));
        let flagged = matches!(event, Event::Flagged(_) | Event::Announced(_));
        pcrs.push(Written { octet, value, flagged });
    }
    synth.payload(0x101, lead);
    (synth.octets, pcrs, losses)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Packet by packet against the list of PCRs as they were written.
    #[test]
    fn the_time_of_every_packet_is_as_its_pcrs_have_it(
        lead in 0usize..20,
        first in prop_oneof![0..WRAP, WRAP - HERTZ..WRAP],
        events in proptest::collection::vec((0usize..40, event()), 0..120),
    ) {
        let (octets, pcrs, losses) = stream(lead, first, &events);
        let scan = scanned(&octets, None);
        prop_assert_eq!((scan.pid, scan.counts.losses), (Some(PID), losses));
        prop_assert_eq!(scan.counts.pcr.pcrs, pcrs.len() as u64);
        let expected = naive(&pcrs);
        let [(first, _), (second, interval), ..] = expected[..] else {
            prop_assert!(scan.clock.knots().is_empty());
            return Ok(());
        };
        // The octets before the first PCR last as those behind it.
        let head = i128::from(first) * interval / i128::from(second - first);
        for line in expected.windows(2) {
            let ((from, start), (to, end)) = (line[0], line[1]);
            for octet in (from..=to).step_by(TS) {
                let exact = i128::from(octet - from) * (end - start) / i128::from(to - from) + start + head;
                let found = i128::from(time(&scan, octet));
                prop_assert!((found - exact).abs() <= i128::from(TOLERANCE) + 2, "octet {octet}: {found}, not {exact}");
            }
        }
        let (knots, end) = (scan.clock.knots(), octets.len() as u64);
        prop_assert_eq!((knots[0], knots[knots.len() - 1].octet), (Knot { octet: 0, ticks: 0 }, end));
    }

    #[test]
    fn pieces_of_any_length_say_the_same(
        events in proptest::collection::vec((0usize..9, event()), 0..40),
        pieces in proptest::collection::vec(1usize..2000, 1..20),
    ) {
        let (octets, ..) = stream(3, 0, &events);
        let mut scanner = Scanner::new(0..octets.len() as u64, None);
        let (mut left, mut pieces) = (&octets[..], pieces.iter().cycle());
        while !left.is_empty() {
            let (piece, rest) = left.split_at(left.len().min(*pieces.next().expect("it goes round")));
            scanner.push(piece);
            left = rest;
        }
        prop_assert_eq!(scanner.finish(), scanned(&octets, None));
    }

    /// Packets whose heads are mostly plausible and whose rest is anything.
    #[test]
    fn any_octets_have_an_answer(
        packets in proptest::collection::vec(
            (prop_oneof![9 => Just(0x47u8), 1 => any::<u8>()], 0u8..2, prop_oneof![Just(0u8), Just(1), Just(0x40)],
             any::<[u8; 12]>(), any::<u8>()), 0..60),
        pid in proptest::option::of(0u16..3),
    ) {
        let octets: Vec<u8> = packets.iter().flat_map(|&(sync, high, low, head, filler)| {
            let mut packet = [filler; TS];
            packet[3..15].copy_from_slice(&head);
            (packet[0], packet[1], packet[2]) = (sync, high | 0x40, low);
            packet
        }).collect();
        let scan = scanned(&octets, pid);
        for knots in scan.clock.knots().windows(2) {
            prop_assert!(knots[0].octet < knots[1].octet && knots[0].ticks <= knots[1].ticks);
        }
    }

    #[test]
    fn the_check_of_a_section_is_annex_a_s(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(crc(&octets), mpeg2ts_reader::mpegts_crc::sum32(&octets));
        prop_assert_eq!(super::super::psi::crc(&octets), crc(&octets));
    }
}

/// 20 ms a PCR, ten packets each, but for what `events` do in between.
fn counted(events: &[Event]) -> (PcrCounts, u64) {
    let steady = [(9, Event::Ticks(HERTZ / 50)); 60];
    let events: Vec<_> = events.iter().map(|&event| (9, event)).collect();
    let (octets, ..) = stream(0, WRAP - 2 * HERTZ, &[&steady[..], &events, &steady].concat());
    let scan = scanned(&octets, None);
    (scan.counts.pcr, scan.clock.span())
}

#[test]
fn what_is_unusual_is_counted_and_costs_no_time() {
    let (plain, usual) = counted(&[Event::Ticks(HERTZ / 50)]);
    assert_eq!(plain, PcrCounts { pcrs: 122, wraps: 1, longest: HERTZ / 50, ..plain });
    let cases = [
        ("flagged back", Event::Flagged(WRAP - 5 * HERTZ), PcrCounts { flagged: 1, ..plain }),
        ("flagged ahead", Event::Flagged(HERTZ / 2), PcrCounts { flagged: 1, ..plain }),
        ("announced a packet before", Event::Announced(3000 * HERTZ), PcrCounts { flagged: 1, ..plain }),
        ("a step back", Event::Jump(WRAP - 1), PcrCounts { unflagged: 1, ..plain }),
        ("a jump ahead", Event::Jump(2 * HERTZ), PcrCounts { unflagged: 1, ..plain }),
        ("hours ahead", Event::Jump(WRAP / 2 - 1), PcrCounts { unflagged: 1, ..plain }),
    ];
    for (case, event, expected) in cases {
        let (counts, span) = counted(&[event]);
        assert_eq!((counts.flagged, counts.unflagged), (expected.flagged, expected.unflagged), "{case}");
        // The packet that announces lasts, too; jumps may pass the wrap or not.
        assert!(span.abs_diff(usual) < HERTZ / 400, "{case}: {span} ticks, {usual} without it");
    }
    let (counts, span) = counted(&[Event::Ticks(0)]);
    assert_eq!((counts.standing, counts.unflagged), (1, 0));
    // Its octets share the time up to the next, so that all is 20 ms shorter.
    assert!(span.abs_diff(usual - HERTZ / 50) < HERTZ / 400, "{span} ticks, {usual} without it");
}

#[test]
fn the_first_interval_may_be_long() {
    for (seconds, usable) in [(9, true), (11, false)] {
        let (octets, ..) = stream(0, 5, &[(99, Event::Ticks(seconds * HERTZ))]);
        let scan = scanned(&octets, None);
        assert_eq!(scan.clock.span() > seconds * HERTZ, usable, "{seconds} s");
        assert_eq!(scan.counts.pcr.unflagged, u64::from(!usable), "{seconds} s");
    }
}

fn pat(synth: &mut Synth) {
    synth.pat(&[(0, 16), (1, 0x1000), (2, 0x1001)]);
}

fn first_map(synth: &mut Synth) {
    synth.pmt(0x1000, 1, PID);
}

fn second_map(synth: &mut Synth) {
    synth.pmt(0x1001, 2, OTHER);
}

fn no_clock(synth: &mut Synth) {
    synth.pmt(0x1000, 1, 0x1fff);
}

fn wrong_map(synth: &mut Synth) {
    synth.pmt(0x1000, 1, 0x333);
}

fn clocks(synth: &mut Synth) {
    for second in 0..5 {
        synth.pcr(OTHER, second * HERTZ, false);
        synth.pcr(PID, 2 * second * HERTZ, false);
    }
}

#[test]
fn the_first_programme_with_a_clock_is_taken() {
    type Step = fn(&mut Synth);
    let cases: [(&str, &[Step], Option<u16>, u16); 8] = [
        ("no tables: the first PCR's", &[], None, OTHER),
        ("the one asked for", &[pat, first_map, second_map], Some(OTHER), OTHER),
        ("the first of the table", &[pat, second_map, first_map], None, PID),
        ("tables after the PCRs", &[clocks, pat, second_map, first_map], None, PID),
        ("the first has no map", &[pat, second_map], None, OTHER),
        ("the first has no clock", &[pat, no_clock, second_map], None, OTHER),
        ("the map names a PID without PCRs", &[pat, wrong_map], None, OTHER),
        ("a map without the table", &[first_map], None, OTHER),
    ];
    for (case, steps, asked, expected) in cases {
        let mut synth = Synth::default();
        for step in steps {
            step(&mut synth);
        }
        clocks(&mut synth);
        let packets = usize::try_from(TABLES).unwrap() / TS;
        // Also where the file ends before the search for tables does.
        for filler in [0, packets] {
            let mut synth = synth.clone();
            synth.payload(0x101, filler);
            clocks(&mut synth);
            assert_eq!(scanned(&synth.octets, asked).pid, Some(expected), "{case}, {filler} more");
        }
    }
}

#[test]
fn programmes_are_listed_from_tables_of_several_packets() {
    let mut synth = Synth::default();
    let programmes: Vec<(u16, u16)> = (1..100).map(|number| (number, 0x400 + number / 2)).collect();
    synth.pat(&programmes);
    for &(number, pid) in programmes.iter().filter(|(number, _)| number % 5 != 0) {
        synth.pmt(pid, number, 0x800 + number);
    }
    let scan = scanned(&synth.octets, None);
    let found: Vec<_> = scan.programmes.iter().map(|found| (found.number, found.pmt_pid)).collect();
    assert_eq!(found, programmes);
    for programme in scan.programmes {
        let expected = (programme.number % 5 != 0).then_some(0x800 + programme.number);
        assert_eq!(programme.pcr_pid(), expected, "programme {}", programme.number);
    }
    assert_eq!(scan.pid, None);
}

#[test]
fn a_steady_stream_has_a_knot_a_second_and_a_varying_one_more() {
    let (steady, _) = programme(60.0, 0, |_| 4e6);
    let knots = scanned(&steady, None).clock.knots().to_vec();
    assert!((60..=64).contains(&knots.len()), "{} knots", knots.len());
    let (varying, pcrs) = programme(60.0, 0, |time| 4e6 + 3e6 * (time / 3.0).sin());
    let bent = scanned(&varying, None).clock.knots().to_vec();
    assert!(bent.len() > 500 && bent.len() <= pcrs.len() + 2, "{} knots, {} PCRs", bent.len(), pcrs.len());
    for knots in [knots, bent] {
        for two in knots.windows(2) {
            assert!(two[1].ticks - two[0].ticks <= LONGEST, "{two:?}");
        }
    }
}

/// What playing needs is known once a second more has been read.
#[test]
fn the_clock_is_known_up_to_a_second_behind_what_was_read() {
    let (octets, pcrs) = programme(5.0, 0, |_| 8e6);
    let mut scanner = Scanner::new(0..octets.len() as u64, None);
    for (packet, octets) in octets.chunks(TS).enumerate() {
        scanner.push(octets);
        let read = (packet * TS) as u64;
        let last = pcrs.iter().rfind(|(octet, _)| *octet < read).map_or(0, |&(_, ticks)| ticks);
        let known = scanner.clock().span();
        assert!(known + LONGEST + HERTZ / 20 >= last, "octet {read}: {known} of {last} ticks");
    }
}
