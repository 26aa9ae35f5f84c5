//! Tables that change within a stream, and a clock that goes along.

use super::{Scan, Scanner};
use crate::media::{
    silence::Silence,
    synth::{HERTZ, Synth, WRAP},
};

/// From PCR to PCR.
const STEP: u64 = HERTZ / 50;
/// PCRs of a part: two seconds.
const PCRS: u64 = 100;

fn scanned(synth: &Synth, pid: Option<u16>) -> Scan {
    let mut scanner = Scanner::new(0..synth.octets.len() as u64, pid);
    // As a file is read.
    synth.octets.chunks(60_000).for_each(|octets| scanner.push(octets));
    scanner.finish()
}

/// Two seconds of ten packets a PCR, on each of `pids` one, and a table every ten PCRs. The
/// value of the first is `value`.
fn part(synth: &mut Synth, tables: impl Fn(&mut Synth), pids: &[u16], value: u64) {
    for place in 0..PCRS {
        if place % 10 == 0 {
            tables(synth);
        }
        for &pid in pids {
            synth.pcr(pid, value + place * STEP, false);
        }
        synth.payload(0x1ff, 10 - pids.len());
    }
}

type Programme = (u16, u16, u16);

/// Number, PID of the map and PCR PID of each programme.
fn tables(programmes: &[Programme]) -> impl Fn(&mut Synth) {
    move |synth| {
        synth.pat(&programmes.iter().map(|&(number, map, _)| (number, map)).collect::<Vec<_>>());
        for &(number, map, pid) in programmes {
            synth.pmt(map, number, pid);
        }
    }
}

#[test]
fn the_clock_goes_where_the_tables_have_it() {
    type Case = (&'static str, [&'static [Programme]; 2], [&'static [u16]; 2], u64);
    let one: &[Programme] = &[(1, 0x1000, 0x100)];
    let cases: [Case; 10] = [
        ("nothing changes", [one, one], [&[0x100], &[0x100]], 0),
        ("another PCR PID", [one, &[(1, 0x1000, 0x200)]], [&[0x100], &[0x200]], 1),
        (
            "another PCR PID of two that go on",
            [one, &[(1, 0x1000, 0x200)]],
            [&[0x100, 0x200], &[0x200, 0x100]],
            1,
        ),
        ("another PID for the map", [one, &[(1, 0x1100, 0x200)]], [&[0x100], &[0x200]], 1),
        ("another PID for the map alone", [one, &[(1, 0x1100, 0x100)]], [&[0x100], &[0x100]], 0),
        (
            "another programme",
            [one, &[(7, 0x1000, 0x200), (8, 0x1001, 0x300)]],
            [&[0x100], &[0x300, 0x200]],
            1,
        ),
        (
            "the same behind another",
            [one, &[(7, 0x1001, 0x300), (1, 0x1000, 0x200)]],
            [&[0x100], &[0x300, 0x200]],
            1,
        ),
        ("a PID without PCRs", [one, &[(1, 0x1000, 0x333)]], [&[0x100], &[0x100]], 0),
        ("no PCR PID any more", [one, &[(1, 0x1000, 0x1fff)]], [&[0x100], &[0x100]], 0),
        ("tables that were not there", [&[], &[(1, 0x1000, 0x200)]], [&[0x100], &[0x200]], 1),
    ];
    for (case, [before, after], [first, second], moves) in cases {
        let mut synth = Synth::default();
        part(&mut synth, tables(before), first, WRAP - HERTZ);
        let mut parts = 2;
        if before.is_empty() {
            // Until it is decided without them.

            while (synth.octets.len() as u64) < super::TABLES {
                part(&mut synth, |_| {}, first, WRAP - HERTZ + (parts - 1) * PCRS * STEP);
                parts += 1;
            }
        }
        let lasted = scanned(&synth, None).clock.span();
        let at = synth.octets.len() as u64;
        part(&mut synth, tables(after), second, 3000 * HERTZ);
        let scan = scanned(&synth, None);
        // What comes at the same rate takes the same time; tables are a little of it.
        let expected = lasted * scan.clock.known() / at;
        let off = scan.clock.span().abs_diff(expected);
        assert!(off < HERTZ / 25, "{case}: {} ticks, not {expected}", scan.clock.span());
        assert_eq!((scan.pid, scan.counts.moves), (Some(0x100), moves), "{case}: {:?}", scan.counts);
        assert_eq!((scan.counts.pcr.flagged, scan.counts.pcr.unflagged), (0, 1), "{case}");
        assert_eq!(scan.counts.silences, 0, "{case}");
        // The PCRs of the second part are heeded: nothing there goes by the rate of the first alone.
        assert_eq!(scan.counts.pcr.pcrs, PCRS * parts, "{case}");
    }
}

#[test]
fn a_second_part_goes_at_its_own_rate() {
    let mut synth = Synth::default();
    part(&mut synth, tables(&[(1, 0x1000, 0x100)]), &[0x100], 5);
    let at = synth.octets.len() as u64;
    // Twice as many octets a second, and back again.
    let twice = |synth: &mut Synth| {
        tables(&[(1, 0x1100, 0x200)])(synth);
        for place in 0..PCRS {
            synth.pcr(0x200, 9 * HERTZ + place * STEP, false);
            synth.payload(0x1ff, 19);
        }
    };
    twice(&mut synth);
    let second = synth.octets.len() as u64;
    part(&mut synth, tables(&[(1, 0x1000, 0x100)]), &[0x100], 5);
    let scan = scanned(&synth, None);
    let time = |octet| scan.clock.stretch(octet).expect("a clock").ticks_at(octet);
    for (from, to) in [(0, at), (at, second), (second, synth.octets.len() as u64)] {
        let lasts = time(to) - time(from);
        assert!(lasts.abs_diff(PCRS * STEP) < HERTZ / 20, "{from} to {to}: {lasts}");
    }
    assert_eq!(scan.counts.moves, 2);
    let found: Vec<_> = scan.programmes.iter().map(|it| (it.number, it.pmt_pid, it.pcr_pid())).collect();
    assert_eq!(found, [(1, 0x1000, Some(0x100)), (1, 0x1100, Some(0x200))]);
}

#[test]
fn a_pid_that_was_asked_for_stays_and_its_silence_is_noted() {
    let mut synth = Synth::default();
    let (one, two) = (tables(&[(1, 0x1000, 0x100)]), tables(&[(1, 0x1000, 0x200)]));
    part(&mut synth, &one, &[0x100, 0x200], 0);
    let last = scanned(&synth, None);
    assert_eq!(last.silence(), None, "others' PCRs between its own");
    part(&mut synth, &two, &[0x200], 2 * HERTZ);
    let scan = scanned(&synth, Some(0x100));
    let silence = scan.silence().expect("two seconds");
    assert_eq!((silence.pid, silence.times, scan.counts.moves), (0x100, 1, 0));
    assert_eq!(scanned(&synth, None).silence(), None, "without a wish it goes along");
    assert_eq!(scanned(&synth, Some(0x200)).silence(), None, "that one was never silent");
    let said = silence.to_string();
    assert!(said.starts_with("no PCR on PID 256 (0x100) behind octet "), "{said}");
    part(&mut synth, &one, &[0x100], 4 * HERTZ);
    part(&mut synth, &two, &[0x200], 6 * HERTZ);
    let silence = Some(Silence { times: 2, ..silence });
    assert_eq!(scanned(&synth, Some(0x100)).silence(), silence, "the first of two");
}

#[test]
fn a_table_in_parts_changes_as_a_whole() {
    let mut synth = Synth::default();
    let many: Vec<Programme> =
        (1..90).map(|number| (number, 0x1000 + number, if number == 1 { 0x100 } else { 0x1fff })).collect();
    part(&mut synth, tables(&many), &[0x100], 0);
    let moved: Vec<Programme> = many.iter().map(|&(number, map, _)| (number, map + 0x200, 0x200)).collect();
    part(&mut synth, tables(&moved), &[0x200], 99 * HERTZ);
    let scan = scanned(&synth, None);
    assert_eq!((scan.counts.moves, scan.programmes.len()), (1, 2 * many.len()));
}
