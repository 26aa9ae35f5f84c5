//! MPEG transport streams in files (ISO/IEC 13818-1): is it one, and how fast
//! does its clock run.
//!
//! Only the file's two ends are read, so that a long film starts at once. What
//! lies between is taken on trust: damage there is sent as it is, and where the
//! clock jumps there (`discontinuity_indicator`, a splice) the span's ticks are
//! not the media's duration.

use super::{
    error::{MediaError, NotTs},
    pcr::{OCTET_IN_PACKET, PACKET, Pcr, SYNC},
    scan::Scanner,
};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

/// Octets read at a time, a whole number of packets.
const WINDOW: u64 = 348 * PACKET as u64;
/// How far from either end a PCR is looked for. One is due every 100 ms
/// (§2.7.2), so a stream below 5 Gbit/s has one within.
const SEARCHED: u64 = 1024 * WINDOW;

/// What the ends of a transport stream tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TsInfo {
    /// First and last PCR, where there are two with time between.
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
    let excess = len % PACKET as u64;
    let whole = len - excess;
    let tail = whole.saturating_sub(WINDOW);
    let head = read(file, 0, len).map_err(failed)?;
    let shape = check_head(&head).and(check_syncs(&read(file, tail, whole).map_err(failed)?, tail));
    if let Err(why) = shape {
        return Err(MediaError::NotTs { path: name.into(), why });
    }
    if excess != 0 {
        return Err(MediaError::Truncated { path: name.into(), excess, whole });
    }
    Ok(TsInfo { pcr: span(file, name, whole, pid)? })
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
/// tells what else they look like.
fn check_head(head: &[u8]) -> Result<(), NotTs> {
    if head.len() < PACKET {
        return Err(NotTs::Short);
    }
    check_syncs(head, 0).map_err(|why| {
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

/// Checks that `octets`, which are at `offset` of the file, begin each packet
/// with the sync octet.
fn check_syncs(octets: &[u8], offset: u64) -> Result<(), NotTs> {
    let mut at = (0..octets.len()).step_by(PACKET);
    match at.find(|&at| octets[at] != SYNC) {
        None => Ok(()),
        Some(at) => Err(NotTs::NoSync { octet: offset + at as u64 }),
    }
}

/// Whether there is a sync octet at `first` and every `step` after it, often
/// enough to be no accident.
fn is_regular(octets: &[u8], first: usize, step: usize) -> bool {
    let mut syncs = octets.iter().skip(first).step_by(step);
    syncs.len() >= 4 && syncs.all(|&octet| octet == SYNC)
}

/// From the clock's first PCR in `file` to its last. `len` is a whole number of
/// packets; `pid` is of the PCRs that were asked for.
fn span(file: &File, name: &Path, len: u64, pid: Option<u16>) -> Result<Option<PcrSpan>, MediaError> {
    let failed = |error| MediaError::system(name, error);
    let Some((first_octet, first)) = first_pcr(file, name, len, pid)? else { return Ok(None) };
    let Some((last_octet, last)) = last_pcr(file, len, first.pid).map_err(failed)? else { return Ok(None) };
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
        if let Some(found) = pcrs(&window, start).rfind(|(_, pcr)| pcr.pid == pid) {
            return Ok(Some(found));
        }
        end = start;
    }
    Ok(None)
}

/// The PCRs in `window`, which is at `offset` of the file, each with its octet.
fn pcrs(window: &[u8], offset: u64) -> impl DoubleEndedIterator<Item = (u64, Pcr)> {
    window.chunks_exact(PACKET).enumerate().filter_map(move |(packet, octets)| {
        let octet = offset + (packet * PACKET) as u64 + OCTET_IN_PACKET;
        Some((octet, Pcr::parse(octets)?))
    })
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
            assert_eq!(probed(&stream(packets, pcrs)).expect(case), TsInfo { pcr }, "{case}");
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
        let mut hole = packet.repeat(1000);
        hole[window - PACKET] = 0;
        let mut end = packet.repeat(1000);
        end[999 * PACKET] = 0;
        let mut lost = packet.repeat(1000);
        lost.drain(80_000..80_100);
        let cases: [(&str, &[u8], NotTs); 8] = [
            ("text", &b"no film at all. ".repeat(99), NotTs::NoSync { octet: 0 }),
            ("sync octet only", b"G", NotTs::Short),
            ("late", &late, NotTs::Late { octet: 50 }),
            ("192", &m2ts, NotTs::M2ts),
            ("204", &parity, NotTs::Parity),
            ("damage in the head", &hole, NotTs::NoSync { octet: WINDOW - 188 }),
            ("damage in the tail", &end, NotTs::NoSync { octet: 999 * 188 }),
            ("octets lost on the way", &lost, NotTs::NoSync { octet: (999 - 348) * 188 }),
        ];
        for (case, octets, expected) in cases {
            assert_eq!(why_not(octets), Some(expected), "{case}");
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
                Ok(_) => prop_assert!(octets.len() % PACKET == 0),
                Err(MediaError::Empty { .. }) => prop_assert!(octets.is_empty()),
                Err(MediaError::Truncated { .. }) => prop_assert!(octets.len() > PACKET && octets.len() % PACKET != 0),
                Err(MediaError::NotTs { .. }) => prop_assert!(!synced || octets.len() < PACKET),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
