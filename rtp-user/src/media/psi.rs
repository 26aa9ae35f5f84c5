//! Which programmes a transport stream holds: its programme association and
//! map tables (ISO/IEC 13818-1 §2.4.4.3 to §2.4.4.9). Any octets will do.

use super::pcr::{NULL_PID, PACKET};
use bytemuck::{Pod, Zeroable};

/// PID of the programme association table.
const PAT_PID: u16 = 0;
/// Its table id, and that of a programme map table.
const PAT: u8 = 0;
const PMT: u8 = 2;
/// Longest section of either table, octets (§2.4.4.4, §2.4.4.9).
const LONGEST: usize = 1024;
/// Octets of a section before what it says of its own, and its CRC.
const HEAD: usize = 8;
const CRC: usize = 4;
/// A programme's PCR PID before its map was seen.
const UNKNOWN: u16 = u16::MAX;

/// A programme of the association table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Programme {
    /// `program_number`, not zero.
    pub number: u16,
    /// PID of its map.
    pub pmt_pid: u16,
    pcr_pid: u16,
}

impl Programme {
    /// PID of its PCRs; `None` where it has none, or its map was not seen.
    pub fn pcr_pid(self) -> Option<u16> {
        (self.pcr_pid < NULL_PID).then_some(self.pcr_pid)
    }

    /// Whether its map was seen.
    pub fn is_mapped(self) -> bool {
        self.pcr_pid != UNKNOWN
    }
}

/// Collects the programmes of a stream: of its first whole association table,
/// and of each one's first map.
#[derive(Clone, Debug)]
pub struct Programmes {
    list: Vec<Programme>,
    /// Which sections of the association table are still to come, its version;
    /// none before the first.
    awaited: Option<(Vec<bool>, u8)>,
    /// A bit for each PID that is still looked at.
    wanted: Box<[u64; 128]>,
    sections: Vec<(u16, Section)>,
}

impl Default for Programmes {
    fn default() -> Self {
        let mut wanted = Box::new([0; 128]);
        wanted[0] = 1 << PAT_PID;
        Self { list: Vec::new(), awaited: None, wanted, sections: Vec::new() }
    }
}

impl Programmes {
    /// In the order of the association table; those of a table that is not yet
    /// whole among them.
    pub fn list(&self) -> &[Programme] {
        &self.list
    }

    /// Whether all of the association table was seen.
    pub fn are_listed(&self) -> bool {
        self.awaited.as_ref().is_some_and(|(awaited, _)| !awaited.contains(&true))
    }

    /// Whether packets of `pid` (13 bits) can tell anything new.
    #[inline]
    pub fn wants(&self, pid: u16) -> bool {
        self.wanted[usize::from(pid >> 6) & 127] >> (pid & 63) & 1 != 0
    }

    fn want(&mut self, pid: u16, wanted: bool) {
        let bit = 1 << (pid & 63);
        let word = &mut self.wanted[usize::from(pid >> 6) & 127];
        *word = if wanted { *word | bit } else { *word & !bit };
    }

    /// Takes the next packet of the wanted `pid`; whether it told anything.
    pub fn push(&mut self, pid: u16, packet: &[u8; PACKET]) -> bool {
        let at = self.sections.iter().position(|&(of, _)| of == pid).unwrap_or_else(|| {
            self.sections.push((pid, Section::default()));
            self.sections.len() - 1
        });
        let mut section = std::mem::take(&mut self.sections[at].1);
        let mut told = false;
        section.push(packet, |octets| told |= self.take(pid, octets));
        if self.wants(pid) {
            self.sections[at].1 = section;
        } else {
            self.sections.swap_remove(at);
        }
        told
    }

    /// Takes a whole section.
    fn take(&mut self, pid: u16, section: &[u8]) -> bool {
        let current = section.len() >= HEAD + CRC && section[1] & 0x80 != 0 && section[5] & 1 != 0;
        if !current || crc(section) != 0 {
            return false;
        }
        let body = &section[HEAD..section.len() - CRC];
        match section[0] {
            PAT if pid == PAT_PID => self.associate(section, body),
            PMT => self.map(pid, u16::from_be_bytes([section[3], section[4]]), body),
            _ => false,
        }
    }

    fn associate(&mut self, section: &[u8], body: &[u8]) -> bool {
        let (version, number, last) = (section[5] >> 1 & 0x1f, section[6], section[7]);
        let sections = usize::from(last) + 1;
        if !self.awaited.as_ref().is_some_and(|(awaited, of)| awaited.len() == sections && *of == version) {
            self.awaited = Some((vec![true; sections], version));
            self.list.clear();
        }
        let Some((awaited, _)) = &mut self.awaited else { return false };
        let Some(awaited) = awaited.get_mut(usize::from(number)).filter(|awaited| **awaited) else {
            return false;
        };
        *awaited = false;
        for entry in body.chunks_exact(4) {
            let number = u16::from_be_bytes([entry[0], entry[1]]);
            let pmt_pid = u16::from_be_bytes([entry[2] & 0x1f, entry[3]]);
            // Number zero names the network information table.
            if number != 0 {
                self.list.push(Programme { number, pmt_pid, pcr_pid: UNKNOWN });
            }
        }
        if self.are_listed() {
            self.want(PAT_PID, false);
            for at in 0..self.list.len() {
                self.want(self.list[at].pmt_pid, true);
            }
        }
        true
    }

    fn map(&mut self, pid: u16, number: u16, body: &[u8]) -> bool {
        let (Some(pcr_pid), true) = (body.first_chunk::<2>(), self.are_listed()) else { return false };
        let pcr_pid = u16::from_be_bytes(*pcr_pid) & 0x1fff;
        let mut told = false;
        for programme in &mut self.list {
            if (programme.number, programme.pmt_pid, programme.pcr_pid) == (number, pid, UNKNOWN) {
                programme.pcr_pid = pcr_pid;
                told = true;
            }
        }
        if self.list.iter().all(|programme| programme.pmt_pid != pid || programme.is_mapped()) {
            self.want(pid, false);
        }
        told
    }
}

/// Puts the sections of one PID together (§2.4.4: a section begins where a
/// packet's pointer says, or right behind another).
#[derive(Clone, Debug, Default)]
struct Section {
    octets: Vec<u8>,
    open: bool,
}

impl Section {
    fn push(&mut self, packet: &[u8; PACKET], mut found: impl FnMut(&[u8])) {
        let Some(payload) = payload(packet) else { return };
        let starts = packet[1] & 0x40 != 0;
        if !starts {
            self.extend(payload, &mut found);
            return;
        }
        let Some((&pointer, payload)) = payload.split_first() else { return };
        let Some((end, begin)) = payload.split_at_checked(pointer.into()) else { return };
        self.extend(end, &mut found);
        self.octets.clear();
        self.open = true;
        self.extend(begin, &mut found);
    }

    /// Holds no more than a section and a packet.
    fn extend(&mut self, octets: &[u8], found: &mut impl FnMut(&[u8])) {
        if !self.open {
            return;
        }
        self.octets.extend_from_slice(octets);
        while let Some(&[table, high, low]) = self.octets.first_chunk() {
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            // Stuffing behind the last section, or nothing that we look for.
            if table == 0xff || length > LONGEST {
                self.open = false;
                self.octets.clear();
                return;
            }
            if self.octets.len() < length {
                return;
            }
            found(&self.octets[..length]);
            self.octets.drain(..length);
        }
    }
}

/// What a packet carries behind its adaptation field; not where it is damaged
/// or scrambled.
fn payload(packet: &[u8; PACKET]) -> Option<&[u8]> {
    let damaged = packet[1] & 0x80 != 0;
    let scrambled = packet[3] & 0xc0 != 0;
    let start = match packet[3] & 0x30 {
        0x10 => 4,
        0x30 => 5 + usize::from(packet[4]),
        _ => return None,
    };
    packet.get(start..).filter(|_| !damaged && !scrambled)
}

/// CRC of annex A; zero over a section with its own CRC behind it.
pub(super) fn crc(octets: &[u8]) -> u32 {
    octets.iter().fold(u32::MAX, |crc, &octet| {
        (0..8).fold(crc ^ u32::from(octet) << 24, |crc, _| {
            let carry = if crc >> 31 == 0 { 0 } else { 0x04c1_1db7 };
            crc << 1 ^ carry
        })
    })
}
