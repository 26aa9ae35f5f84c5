//! The files that are sent, and what a reader that is not ours finds in them.

use mpeg2ts_reader::packet::Packet;
use std::{fs, ops::Range, path::PathBuf};

/// Ticks of an MPEG-2 system clock per second (ISO/IEC 13818-1 §2.4.2.1).
const SYSTEM_CLOCK: u64 = 27_000_000;
/// Octets of a transport packet.
const TS: usize = 188;

/// The bundled sample.
pub fn sample_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sample/krtp-sample.ts")
}

/// Its octets.
pub fn sample() -> Vec<u8> {
    fs::read(sample_path()).expect("the sample is part of the repository")
}

/// `length` octets without a pattern, always the same.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64 (Marsaglia, 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut octets: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next().to_ne_bytes()).collect();
    octets.truncate(length);
    octets
}

/// How long octets last: `octets` of them, `ticks` of 27 MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub octets: u64,
    pub ticks: u64,
}

impl Rate {
    /// From the first PCR to the last.
    pub fn of_pcrs(file: &[u8]) -> Self {
        let pcrs: Vec<(u64, u64)> = (0..)
            .step_by(TS)
            .zip(file.chunks_exact(TS))
            .filter_map(|(offset, packet)| {
                let pcr = Packet::try_new(packet)?.adaptation_field()?.pcr().ok()?;
                Some((offset, pcr.base() * 300 + u64::from(pcr.extension())))
            })
            .collect();
        let (first, last) = (pcrs.first().expect("a PCR"), pcrs.last().expect("a PCR"));
        Self { octets: last.0 - first.0, ticks: last.1 - first.1 }
    }

    /// `bits` per second.
    pub fn of_bits(bits: u64) -> Self {
        Self { octets: bits, ticks: 8 * SYSTEM_CLOCK }
    }

    /// `rate` frames of `frame` octets per second.
    pub fn of_frames(frame: u64, rate: u64) -> Self {
        Self { octets: frame * rate, ticks: SYSTEM_CLOCK }
    }

    /// Ticks of `clock_rate` after `octets`, rounded down.
    pub fn timestamp(self, octets: u64, clock_rate: u64) -> u128 {
        u128::from(octets) * u128::from(self.ticks) * u128::from(clock_rate)
            / (u128::from(self.octets) * u128::from(SYSTEM_CLOCK))
    }

    /// Seconds that `octets` last.
    pub fn seconds(self, octets: u64) -> f64 {
        octets as f64 * self.ticks as f64 / (self.octets as f64 * SYSTEM_CLOCK as f64)
    }
}

/// How a file of `length` octets must be cut: `payload` octets each, the rest in
/// the last.
pub fn cut(length: usize, payload: usize) -> Vec<Range<usize>> {
    (0..length).step_by(payload).map(|start| start..length.min(start + payload)).collect()
}
