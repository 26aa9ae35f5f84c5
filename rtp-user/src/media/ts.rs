//! MPEG transport streams in files (ISO/IEC 13818-1): is it one, and how fast
//! does its clock run.
//!
//! Only the file's two ends are read, so that a long film starts at once. What
//! lies between is taken on trust: damage there is sent as it is, and where the
//! clock jumps there (`discontinuity_indicator`, a splice) the span's ticks are
//! not the media's duration; [`super::scan`] finds that.

use super::{
    error::{MediaError, NotTs},
    pcr::{OCTET_IN_PACKET, PACKET, Pcr, SYNC},
    scan::Scanner,
    sync::Packets,
};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

/// Octets at a file's beginning that have to be packets: five of them.
const BEGIN: usize = 5 * PACKET;
/// Octets read at a time, a whole number of packets.
const WINDOW: u64 = 348 * PACKET as u64;
/// How far from either end a PCR is looked for. One is due every 100 ms
/// (§2.7.2), so a stream below 5 Gbit/s has one within.
const SEARCHED: u64 = 1024 * WINDOW;

/// What the ends of a transport stream tell. Whether its PCRs are a clock is for
/// [`super::scan`] to say: the last one may be further from the end than is looked, or
/// of another time base than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TsInfo {
    /// Whether a PCR of the clock was found.
    pub has_pcrs: bool,
    /// First and last PCR, where there are two with time between: for an estimate.
    pub pcr: Option<PcrSpan>,
}

/// What passes between the first PCR of a file and the last one on the same PID.
///
/// A PCR's octet is that with the last bit of its base, as §2.4.3.5 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcrSpan {
    /// PID that carries both.
    pub pid: u16,
    /// Offset in the file of the first PCR's octet.
    pub first_octet: u64,
    /// Offset in the file of the last PCR's octet; after the first.
    pub last_octet: u64,
    /// Ticks of 27 MHz between them, at least one. Right for less than 26.5 hours.
    pub ticks: u64,
}

/// Finds out whether `file` is a transport stream of 188-octet packets, and its
/// clock: that of the PCRs on `pid`, or which [`super::scan`] would choose. `name` is
/// for the error.
pub fn probe(file: &File, name: &Path, pid: Option<u16>) -> Result<TsInfo, MediaError> {
    let failed = |error| MediaError::system(name, error);
    let len = file.metadata().map_err(failed)?.len();
    if len == 0 {
        return Err(MediaError::Empty { path: name.into() });
    }
    let tail = len.saturating_sub(WINDOW).next_multiple_of(PACKET as u64).min(len);
    let head = read(file, 0, len).map_err(failed)?;
    let (packets, end) = check_tail(&read(file, tail, len).map_err(failed)?, tail);
    if let Err(why) = check_head(&head).and(packets) {
        return Err(MediaError::NotTs { path: name.into(), why });
    }
    // Where octets were lost on the way, a whole number is no sign of an end.
    if end != 0 && !len.is_multiple_of(PACKET as u64) {
        return Err(MediaError::Truncated { path: name.into(), excess: end, whole: len - end });
    }
    let first = first_pcr(file, name, len, pid)?;
    let pcr = first.map(|first| span(file, len, first)).transpose().map_err(failed)?.flatten();
    Ok(TsInfo { has_pcrs: first.is_some(), pcr })
}

/// The octets of `file` from `offset` on, at most a window, none from `end` on.
fn read(file: &File, offset: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut window = vec![0; usize::try_from(WINDOW.min(end - offset)).unwrap_or_default()];
    let mut filled = 0;
    while filled < window.len() {
        match file.read_at(&mut window[filled..], offset + filled as u64) {
            // Somebody made the file shorter.
            Ok(0) => break,
            Ok(octets) => filled += octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    window.truncate(filled);
    Ok(window)
}

/// Checks that the first octets of a file are those of a transport stream, or
/// tells what else they look like. Damage behind the first packets is none of it.
fn check_head(head: &[u8]) -> Result<(), NotTs> {
    if head.len() < PACKET {
        return Err(NotTs::Short);
    }
    let begin = &head[..head.len().min(BEGIN)];
    check_syncs(begin).and(check_most(head, 0).map(|_| ())).map_err(|why| {
        if is_regular(head, 4, 192) {
            NotTs::M2ts
        } else if is_regular(head, 0, 204) {
            NotTs::Parity
        } else if let Some(octet) = (1..PACKET).find(|&first| is_regular(head, first, PACKET)) {
            NotTs::Late { octet: octet as u64 }
        } else {
            why
        }
    })
}

/// Checks the last octets of a file, which are at `offset`. Also returns how many
/// are left behind the last packet; none where there is no sync at the end.
fn check_tail(tail: &[u8], offset: u64) -> (Result<(), NotTs>, u64) {
    match check_most(tail, offset) {
        Err(why) => (Err(why), 0),
        Ok(packets) => (Ok(()), if packets.is_lost() { 0 } else { packets.left() }),
    }
}

/// Checks that the first octets of a file begin each packet with the sync octet.
fn check_syncs(octets: &[u8]) -> Result<(), NotTs> {
    let mut at = (0..octets.len()).step_by(PACKET);
    match at.find(|&at| octets[at] != SYNC) {
        None => Ok(()),
        Some(at) => Err(NotTs::NoSync { octet: at as u64 }),
    }
}

/// Checks that most of `octets`, which are at `offset` of the file, are packets.
fn check_most(octets: &[u8], offset: u64) -> Result<Packets, NotTs> {
    let (mut packets, mut expected, mut lost) = (Packets::default(), 0, None);
    packets.push(octets, |at, _| {
        if at != expected {
            lost.get_or_insert(expected);
        }
        expected = at + PACKET as u64;
    });
    let outside = packets.skipped() + if packets.is_lost() { packets.left() } else { 0 };
    if outside * 2 <= octets.len() as u64 {
        Ok(packets)
    } else {
        Err(NotTs::NoSync { octet: offset + lost.unwrap_or(expected) })
    }
}

/// Whether there is a sync octet at `first` and every `step` after it, often
/// enough to be no accident.
fn is_regular(octets: &[u8], first: usize, step: usize) -> bool {
    let mut syncs = octets.iter().skip(first).step_by(step);
    syncs.len() >= 4 && syncs.all(|&octet| octet == SYNC)
}

/// From the `first` PCR in `file`, which has `len` octets, to the last of its PID.
fn span(file: &File, len: u64, (first_octet, first): (u64, Pcr)) -> io::Result<Option<PcrSpan>> {
    let Some((last_octet, last)) = last_pcr(file, len, first.pid)? else { return Ok(None) };
    let ticks = first.until(last);
    let passes = last_octet > first_octet && ticks > 0;
    Ok(passes.then_some(PcrSpan { pid: first.pid, first_octet, last_octet, ticks }))
}

/// The clock's first PCR, chosen as the scan of the whole file will.
fn first_pcr(
    file: &File,
    name: &Path,
    len: u64,
    wanted: Option<u16>,
) -> Result<Option<(u64, Pcr)>, MediaError> {
    let mut scanner = Scanner::new(0..len, wanted);
    let mut start = 0;
    while start < len.min(SEARCHED) && scanner.first().is_none() {
        scanner.push(&read(file, start, len).map_err(|error| MediaError::system(name, error))?);
        start += WINDOW;
    }
    scanner.choose();
    let pids: Vec<u16> = scanner.pids().collect();
    match (scanner.first(), wanted) {
        (None, Some(pid)) if !pids.is_empty() => Err(MediaError::NoPcrOnPid { path: name.into(), pid, pids }),
        (first, _) => Ok(first),
    }
}

fn last_pcr(file: &File, len: u64, pid: u16) -> io::Result<Option<(u64, Pcr)>> {
    let mut end = len;
    while end > len.saturating_sub(SEARCHED) {
        let start = end.saturating_sub(WINDOW);
        let window = read(file, start, end)?;
        if let Some(found) = last_in(&window, start, pid) {
            return Ok(Some(found));
        }
        end = start;
    }
    Ok(None)
}

/// The last PCR of `pid` in `window`, which is at `offset` of the file, and its
/// octet.
fn last_in(window: &[u8], offset: u64, pid: u16) -> Option<(u64, Pcr)> {
    let mut last = None;
    Packets::default().push(window, |at, packet| {
        if let Some(pcr) = Pcr::parse(packet).filter(|pcr| pcr.pid == pid) {
            last = Some((offset + at + OCTET_IN_PACKET, pcr));
        }
    });
    last
}

#[cfg(test)]
mod tests {
    use super::{PACKET, PcrSpan, TsInfo, WINDOW, probe};
    use crate::media::{
        error::{MediaError, NotTs},
        pcr::{packet_with_pcr, packet_without_pcr},
    };
    use proptest::prelude::*;
    use std::{fs::File, io::Write as _, path::Path};

    const PCR_PID: u16 = 0x100;

    /// `packets` packets; those at `pcrs` carry a PCR of that PID and value.
    fn stream(packets: usize, pcrs: &[(usize, u16, u64)]) -> Vec<u8> {
        let mut octets = packet_without_pcr(0x101).repeat(packets);
        for &(packet, pid, ticks) in pcrs {
            octets[packet * PACKET..][..PACKET].copy_from_slice(&packet_with_pcr(pid, ticks));
        }
        octets
    }

    fn file_of(octets: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(octets).expect("room for it");
        file
    }

    fn probed(octets: &[u8]) -> Result<TsInfo, MediaError> {
        probe(&file_of(octets), Path::new("a.ts"), None)
    }

    #[test]
    fn the_span_is_from_the_first_pcr_to_the_last_of_its_pid() {
        const WRAP: u64 = (1 << 33) * 300;
        type Case = (&'static str, usize, &'static [(usize, u16, u64)], Option<(usize, usize, u64)>);
        let cases: [Case; 9] = [
            ("none", 10, &[], None),
            ("only one", 10, &[(4, PCR_PID, 5)], None),
            ("two", 10, &[(1, PCR_PID, 100), (9, PCR_PID, 900)], Some((1, 9, 800))),
            (
                "those between do not count",
                9,
                &[(0, PCR_PID, 1), (3, PCR_PID, 7), (6, PCR_PID, 3)],
                Some((0, 6, 2)),
            ),
            (
                "another program's are passed over",
                9,
                &[(1, PCR_PID, 1), (5, PCR_PID, 4), (7, 7, 9)],
                Some((1, 5, 3)),
            ),
            ("another program's is no end", 9, &[(1, PCR_PID, 1), (7, 7, 9)], None),
            ("over the wrap", 9, &[(1, PCR_PID, WRAP - 5), (7, PCR_PID, 8)], Some((1, 7, 13))),
            ("a clock that stands", 9, &[(1, PCR_PID, 5), (7, PCR_PID, 5)], None),
            ("windows apart", 3000, &[(700, PCR_PID, 1), (1500, PCR_PID, 3)], Some((700, 1500, 2))),
        ];
        for (case, packets, pcrs, expected) in cases {
            let octet = |packet: usize| (packet * PACKET + 10) as u64;
            let pcr = expected.map(|(first, last, ticks)| PcrSpan {
                pid: PCR_PID,
                first_octet: octet(first),
                last_octet: octet(last),
                ticks,
            });
            let has_pcrs = !pcrs.is_empty();
            assert_eq!(probed(&stream(packets, pcrs)).expect(case), TsInfo { has_pcrs, pcr }, "{case}");
        }
    }

    fn why_not(octets: &[u8]) -> Option<NotTs> {
        match probed(octets) {
            Err(MediaError::NotTs { why, .. }) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn what_is_no_transport_stream_is_told_by_its_shape() {
        let packet = packet_without_pcr(0x101);
        let late = [&[0; 50], &packet.repeat(9)[..]].concat();
        let m2ts = [&[0; 4], &packet[..]].concat().repeat(9);
        let parity = [&packet[..], &[0; 16]].concat().repeat(9);
        let window = usize::try_from(WINDOW).unwrap();
        let noise = [&packet.repeat(10)[..], &[7; 2000]].concat();
        let end = [&packet.repeat(800)[..], &vec![7; window / 2 + 188]].concat();
        let cases: [(&str, &[u8], NotTs); 7] = [
            ("text", &b"no film at all. ".repeat(99), NotTs::NoSync { octet: 0 }),
            ("sync octet only", b"G", NotTs::Short),
            ("late", &late, NotTs::Late { octet: 50 }),
            ("192", &m2ts, NotTs::M2ts),
            ("204", &parity, NotTs::Parity),
            ("little of it", &noise, NotTs::NoSync { octet: 1880 }),
            ("little of its end", &end, NotTs::NoSync { octet: 800 * 188 }),
        ];
        for (case, octets, expected) in cases {
            assert_eq!(why_not(octets), Some(expected), "{case}");
        }
    }

    #[test]
    fn damage_and_octets_lost_on_the_way_are_not_the_end_of_it() {
        let whole = stream(1000, &[(20, PCR_PID, 100), (998, PCR_PID, 900)]);
        let damaged = |packet: usize| {
            let mut octets = whole.clone();
            octets[packet * PACKET] = 0;
            octets
        };
        let mut lost = whole.clone();
        lost.drain(80_000..80_100);
        for (case, octets) in [
            ("head", damaged(347)),
            ("tail", damaged(990)),
            ("last packet", damaged(999)),
            ("lost", lost.clone()),
        ] {
            let pcr = probed(&octets).expect(case).pcr.expect(case);
            assert_eq!((pcr.first_octet, pcr.ticks), (20 * 188 + 10, 800), "{case}");
        }
        lost.truncate(lost.len() - 50);
        match probed(&lost) {
            Err(MediaError::Truncated { excess, whole, .. }) => {
                assert_eq!((excess, whole), (138, 999 * 188 - 100));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unfinished_packet_at_the_end_is_counted() {
        let octets = packet_without_pcr(0x101).repeat(400);
        for missing in 1..PACKET {
            match probed(&octets[..octets.len() - missing]) {
                Err(MediaError::Truncated { excess, whole, .. }) => {
                    assert_eq!((excess, whole), ((PACKET - missing) as u64, 399 * 188), "{missing} missing");
                }
                other => panic!("{missing} missing: {other:?}"),
            }
        }
    }

    #[test]
    fn an_empty_file_is_told_apart() {
        assert!(matches!(probed(&[]), Err(MediaError::Empty { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_file_has_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..3000), synced: bool) {
            let mut octets = octets;
            if synced {
                octets.iter_mut().step_by(PACKET).for_each(|octet| *octet = 0x47);
            }
            match probed(&octets) {
                Ok(_) => prop_assert!(octets.len() >= PACKET && octets[0] == 0x47),
                Err(MediaError::Empty { .. }) => prop_assert!(octets.is_empty()),
                Err(MediaError::Truncated { excess, whole, .. }) => {
                    prop_assert!(excess < PACKET as u64 && excess + whole == octets.len() as u64);
                }
                Err(MediaError::NotTs { .. }) => prop_assert!(!synced || octets.len() < PACKET),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
