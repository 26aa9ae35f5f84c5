//! The clock of films that others made, against a reader that is not ours.

use super::{Scan, Scanner};
use crate::media::{
    cone::TOLERANCE,
    synth::{HERTZ, TS},
};
use mpeg2ts_reader::packet::Packet;
use std::process::Command;

fn scanned(octets: &[u8]) -> Scan {
    let mut scanner = Scanner::new(0..octets.len() as u64, None);
    scanner.push(octets);
    scanner.finish()
}

/// The time of `octet` by `scan`.
fn time(scan: &Scan, octet: u64) -> u64 {
    scan.clock.stretch(octet).expect("a clock").ticks_at(octet)
}

/// A film of `FFmpeg`'s, muxed as `options` say.
fn film(options: &[&str]) -> Vec<u8> {
    let source = "testsrc2=size=320x240:rate=25:duration=12";
    let film = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "mpeg2video", "-b:v", "1500k"])
        .args(options)
        .args(["-f", "mpegts", "-"])
        .output()
        .expect("FFmpeg (`cargo xtask setup` says how to get it)");
    assert!(film.status.success(), "{}", String::from_utf8_lossy(&film.stderr));
    film.stdout
}

/// PCRs by a reader that is not ours: each one's octet and value.
fn read_by_another(octets: &[u8], pid: u16) -> Vec<(u64, u64)> {
    let packets = (0u64..).step_by(TS).zip(octets.chunks_exact(TS));
    packets
        .filter_map(|(offset, packet)| {
            let packet = Packet::try_new(packet)?;
            let pcr = packet.adaptation_field()?.pcr().ok()?;
            let value = pcr.base() * 300 + u64::from(pcr.extension());
            (u16::from(packet.pid()) == pid).then_some((offset + 10, value))
        })
        .collect()
}

#[test]
fn the_clock_of_a_real_film_is_as_another_reader_finds_it() {
    for (case, options) in [("CBR", &["-muxrate", "3M"][..]), ("VBR", &[])] {
        let octets = film(options);
        let scan = scanned(&octets);
        let pcrs = read_by_another(&octets, scan.pid.expect("a PCR"));
        assert_eq!(scan.counts.pcr.pcrs, pcrs.len() as u64, "{case}");
        let (first, base) = pcrs[0];
        let head = time(&scan, first);
        for &(octet, value) in &pcrs {
            let off = time(&scan, octet).abs_diff(head + value - base);
            assert!(off <= TOLERANCE, "{case}, octet {octet}: {off} ticks off");
        }
        let seconds = scan.clock.span() as f64 / HERTZ as f64;
        assert!((11.5..12.5).contains(&seconds), "{case}: {seconds} s");
        assert_eq!(scan.programmes.len(), 1, "{case}");
        assert_eq!(scan.counts.packets, (octets.len() / TS) as u64, "{case}");
    }
}
