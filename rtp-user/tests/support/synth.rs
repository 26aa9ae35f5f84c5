//! Transport streams written packet by packet (ISO/IEC 13818-1 §2.4.3 and §2.4.4),
//! with whatever a clock may have to cope with. Nothing of krtp is used here.

#![allow(dead_code, reason = "everybody who includes it uses a part of it")]

use std::{collections::BTreeMap, time::Duration};

/// Octets of a transport packet.
pub const TS: usize = 188;
/// Ticks of the system clock in a second.
pub const HERTZ: u64 = 27_000_000;
/// A PCR counts to here and begins again.
pub const WRAP: u64 = (1 << 33) * 300;

/// A stream being written.
#[derive(Clone, Debug, Default)]
pub struct Synth {
    /// Its octets so far.
    pub octets: Vec<u8>,
    continuity: BTreeMap<u16, u8>,
}

impl Synth {
    /// A programme association table of (`program_number`, PID of its map).
    pub fn pat(&mut self, programmes: &[(u16, u16)]) {
        let body: Vec<u8> = programmes
            .iter()
            .flat_map(|(number, pid)| [number.to_be_bytes(), (pid | 0xe000).to_be_bytes()].concat())
            .collect();
        self.section(0, &section(0, 1, &body));
    }

    /// The map on `pid` of programme `number`: its PCR PID and one video stream.
    pub fn pmt(&mut self, pid: u16, number: u16, pcr_pid: u16) {
        let pcr_pid = (pcr_pid | 0xe000).to_be_bytes();
        let body = [&pcr_pid[..], &[0xf0, 0, 0x1b], &pcr_pid, &[0xf0, 0]].concat();
        self.section(pid, &section(2, number, &body));
    }

    /// `octets` of a section on `pid`, in as many packets as they need.
    pub fn section(&mut self, pid: u16, octets: &[u8]) {
        let octets = [&[0][..], octets].concat();
        for (number, part) in octets.chunks(TS - 4).enumerate() {
            let mut payload = [0xff; TS - 4];
            payload[..part.len()].copy_from_slice(part);
            self.packet(pid, number == 0, &[], &payload);
        }
    }

    /// A packet with a PCR of `ticks` modulo the wrap; returns the offset of its
    /// octet, that with the last bit of the base (§2.4.3.5).
    pub fn pcr(&mut self, pid: u16, ticks: u64, discontinuity: bool) -> u64 {
        let ticks = ticks % WRAP;
        let field = ((ticks / 300) << 15) | (0x3f << 9) | (ticks % 300);
        let flags = 0x10 | if discontinuity { 0x80 } else { 0 };
        let field = [&[7, flags], &field.to_be_bytes()[2..]].concat();
        let octet = self.octets.len() as u64 + 10;
        self.packet(pid, false, &field, &[0x55; TS - 12]);
        octet
    }

    /// A packet whose adaptation field says "discontinuity" and has no PCR.
    pub fn announce(&mut self, pid: u16) {
        self.packet(pid, false, &[1, 0x80], &[0x55; TS - 6]);
    }

    /// `packets` packets with nothing of interest.
    pub fn payload(&mut self, pid: u16, packets: usize) {
        for _ in 0..packets {
            self.packet(pid, false, &[], &[0x55; TS - 4]);
        }
    }

    /// `octets` octets that are in no packet.
    pub fn noise(&mut self, octets: usize) {
        self.octets.resize(self.octets.len() + octets, 0xaa);
    }

    fn packet(&mut self, pid: u16, start: bool, adaptation: &[u8], payload: &[u8]) {
        let counter = self.continuity.entry(pid).or_default();
        let [high, low] = (pid | if start { 0x4000 } else { 0 }).to_be_bytes();
        let control = if adaptation.is_empty() { 0x10 } else { 0x30 };
        self.octets.extend_from_slice(&[0x47, high, low, control | *counter]);
        *counter = (*counter + 1) & 15;
        self.octets.extend_from_slice(adaptation);
        self.octets.extend_from_slice(payload);
        assert!(self.octets.len() >= TS, "a whole packet");
    }
}

/// A whole table in one section: version 0, current, with its CRC.
fn section(table: u8, extension: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 9).expect("a short table") | 0xb000;
    let [high, low] = extension.to_be_bytes();
    let mut section = vec![table];
    section.extend_from_slice(&length.to_be_bytes());
    section.extend_from_slice(&[high, low, 0xc1, 0, 0]);
    section.extend_from_slice(body);
    let check = crc(&section);
    section.extend_from_slice(&check.to_be_bytes());
    section
}

/// CRC of annex A, bit by bit through the shift register that is drawn there.
pub fn crc(octets: &[u8]) -> u32 {
    let mut register = [true; 32];
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)) {
        let out = register[31] ^ bit;
        register.rotate_right(1);
        register[0] = out;
        for tap in [1, 2, 4, 5, 7, 8, 10, 11, 12, 16, 22, 23, 26] {
            register[tap] ^= out;
        }
    }
    register.iter().rev().fold(0, |crc, &bit| crc << 1 | u32::from(bit))
}

/// A stream of one programme: PAT, map, then `seconds` of `bits(second)` bits per
/// second, a PCR about every 40 ms from the value `first` on. Returns what it is
/// and each PCR's octet and time since the first PCR.
pub fn programme(seconds: f64, first: u64, bits: impl Fn(f64) -> f64) -> (Vec<u8>, Vec<(u64, u64)>) {
    let mut synth = Synth::default();
    synth.pat(&[(1, 0x1000)]);
    synth.pmt(0x1000, 1, 0x100);
    let (mut time, mut pcrs, mut due) = (0.0, Vec::new(), 0.0);
    while time < seconds {
        if time >= due {
            let ticks = (Duration::from_secs_f64(time).as_nanos() * 27 / 1000) as u64;
            pcrs.push((synth.pcr(0x100, first + ticks, false), ticks));
            due = time + 0.04;
        } else {
            synth.payload(0x100, 1);
        }
        time += TS as f64 * 8.0 / bits(time);
    }
    (synth.octets, pcrs)
}
