//! When each octet of a transport stream is due, by its own PCRs. Read with a crate that is not krtp's, since krtp is
//! judged by it.

use anyhow::{Context, ensure};
use mpeg2ts_reader::packet::{Packet, Pid};

/// Octets of a transport packet.
pub const TS: usize = 188;
/// Ticks of the system clock per second (ISO/IEC 13818-1 §2.4.2.1).
const SYSTEM_CLOCK: f64 = 27e6;
/// A PCR counts modulo this (§2.4.3.5: 33 bits at 90 kHz, 300 ticks each).
const WRAP: u64 = (1 << 33) * 300;

/// PCRs against octets.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Position of a packet with a PCR, and the PCR's ticks since the first one's.
    points: Vec<(u64, u64)>,
}

/// The PID of the first PCR.
pub fn first_pid(octets: &[u8]) -> Option<u16> {
    let packets = octets.chunks_exact(TS).filter_map(Packet::try_new);
    let mut clocks =
        packets.filter(|packet| packet.adaptation_field().is_some_and(|field| field.pcr().is_ok()));
    clocks.next().map(|packet| packet.pid().into())
}

impl Clock {
    /// Of whole transport packets; the PID is that of the first PCR.
    pub fn read(octets: &[u8]) -> anyhow::Result<Self> {
        ensure!(octets.len().is_multiple_of(TS), "{} octets are not whole transport packets", octets.len());
        let mut pid: Option<Pid> = None;
        let mut points: Vec<(u64, u64)> = Vec::new();
        let mut last = 0;
        for (position, packet) in (0..).step_by(TS).zip(octets.chunks_exact(TS)) {
            let packet =
                Packet::try_new(packet).with_context(|| format!("no sync octet at octet {position}"))?;
            let Some(pcr) = packet.adaptation_field().and_then(|field| field.pcr().ok()) else { continue };
            if *pid.get_or_insert(packet.pid()) != packet.pid() {
                continue;
            }
            let ticks = pcr.base() * 300 + u64::from(pcr.extension());
            let elapsed = points.last().map_or(0, |(_, elapsed)| elapsed + (ticks + WRAP - last) % WRAP);
            points.push((position, elapsed));
            last = ticks;
        }
        ensure!(points.len() > 1, "fewer than two PCRs");
        Ok(Self { points })
    }

    /// When the octet at `position` is due, nanoseconds after the first PCR: on the straight line between the PCRs
    /// around it, or on the nearest such line.
    pub fn due(&self, position: u64) -> f64 {
        let after = self.points.partition_point(|(at, _)| *at <= position);
        let first = after.clamp(1, self.points.len() - 1) - 1;
        let [(from, begin), (to, end)] = [self.points[first], self.points[first + 1]];
        let part = (position as f64 - from as f64) / (to - from) as f64;
        (begin as f64 + part * (end - begin) as f64) * 1e9 / SYSTEM_CLOCK
    }

    /// Seconds from the first PCR to the last.
    pub fn seconds(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, elapsed)| *elapsed as f64 / SYSTEM_CLOCK)
    }
}

#[cfg(test)]
pub mod tests {
    use super::{Clock, TS, WRAP};

    /// A transport packet of `pid`, with a PCR of `ticks` or with nothing.
    pub fn packet(pid: u16, ticks: Option<u64>) -> Vec<u8> {
        let mut octets = vec![0x47, (pid >> 8) as u8, pid as u8, 0x10];
        if let Some(ticks) = ticks {
            // ISO/IEC 13818-1 §2.4.3.4: an adaptation field only, its flags saying PCR; 33 bits, 6 reserved, 9.
            let (base, extension) = (ticks % WRAP / 300, ticks % 300);
            let pcr = (base << 15) | (0x3f << 9) | extension;
            octets[3] = 0x20;
            octets.extend([183, 0x10]);
            octets.extend(&pcr.to_be_bytes()[2..]);
        }
        octets.resize(TS, 0xff);
        octets
    }

    fn stream(pcrs: &[Option<u64>]) -> Vec<u8> {
        pcrs.iter().flat_map(|ticks| packet(256, *ticks)).collect()
    }

    #[test]
    fn octets_between_pcrs_are_due_on_the_line_between_them() {
        // 1 ms and then 3 ms for two packets each.
        let octets = stream(&[Some(0), None, Some(27_000), None, Some(108_000), None]);
        let clock = Clock::read(&octets).unwrap();
        for (packet, milliseconds) in [(0, 0.0), (1, 0.5), (2, 1.0), (3, 2.5), (4, 4.0), (5, 5.5)] {
            let due = clock.due(packet * TS as u64) / 1e6;
            assert!((due - milliseconds).abs() < 1e-9, "packet {packet}: {due}");
        }
        assert!((clock.seconds() - 0.004).abs() < 1e-12);
    }

    #[test]
    fn a_wrap_and_another_pid_s_pcr_do_not_bend_it() {
        let mut octets = stream(&[Some(WRAP - 27_000), Some(0), Some(27_000)]);
        octets.extend(packet(257, Some(5)));
        octets.extend(packet(256, Some(81_000)));
        let clock = Clock::read(&octets).unwrap();
        assert!((clock.seconds() - 0.004).abs() < 1e-12);
        assert!((clock.due(3 * TS as u64) - 3e6).abs() < 1e-3);
    }

    #[test]
    fn what_has_no_clock_is_refused() {
        for (octets, why) in [
            (stream(&[None, Some(0), None]), "fewer than two PCRs"),
            (vec![0x47; 100], "not whole"),
            ([stream(&[Some(0)]), vec![0; TS]].concat(), "no sync octet at octet 188"),
        ] {
            let error = Clock::read(&octets).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
