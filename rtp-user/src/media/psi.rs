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
/// Programmes that are noted: a stream of random tables must not take all memory.
const MOST: usize = 1024;
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

/// Collects the programmes of a stream, by its association table and their maps, and
/// follows both as they change: at splices, and where files were put one behind the other.
#[derive(Clone, Debug)]
pub struct Programmes {
    /// Of the last whole association table, with the last map of each.
    now: Vec<Programme>,
    /// All that there were, in the order in which they came.
    all: Vec<Programme>,
    /// The association table that is being collected.
    table: Table,
    /// A bit for each PID that is looked at.
    wanted: Box<[u64; 128]>,
    sections: Vec<(u16, Section)>,
    /// The sections that tell what is known, each by its PID: they come again and again,
    /// and are compared only.
    known: Vec<(u16, Box<[u8]>)>,
}

/// The sections of an association table.
#[derive(Clone, Debug, Default)]
struct Table {
    version: u8,
    /// What each lists; `None`: it is still to come.
    parts: Vec<Option<Vec<Programme>>>,
}

impl Default for Programmes {
    fn default() -> Self {
        let mut wanted = Box::new([0; 128]);
        wanted[0] = 1 << PAT_PID;
        let (now, all, sections, known) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { now, all, table: Table::default(), wanted, sections, known }
    }
}

impl Programmes {
    /// Those of the association table in force, in its order; none before it was whole.
    pub fn now(&self) -> &[Programme] {
        &self.now
    }

    /// All that there were: those of the first association table in its order, and each
    /// one's first map; behind them what was new in later ones.
    pub fn all(&self) -> &[Programme] {
        &self.all
    }

    /// Whether packets of `pid` (13 bits) can tell anything new.
    #[inline]
    pub fn wants(&self, pid: u16) -> bool {
        self.wanted[usize::from(pid >> 6) & 127] >> (pid & 63) & 1 != 0
    }

    fn want(&mut self, pid: u16) {
        self.wanted[usize::from(pid >> 6) & 127] |= 1 << (pid & 63);
    }

    /// Takes the next packet of the wanted `pid`; whether it told anything new.
    pub fn push(&mut self, pid: u16, packet: &[u8; PACKET]) -> bool {
        let at = self.sections.iter().position(|&(of, _)| of == pid).unwrap_or_else(|| {
            self.sections.push((pid, Section::default()));
            self.sections.len() - 1
        });
        let mut section = std::mem::take(&mut self.sections[at].1);
        let mut told = false;
        section.push(packet, |octets| told |= self.take(pid, octets));
        // Another table may not want it any more.
        if let Some((_, place)) = self.sections.iter_mut().find(|(of, _)| *of == pid) {
            *place = section;
        }
        told
    }

    /// Takes a whole section.
    fn take(&mut self, pid: u16, section: &[u8]) -> bool {
        if self.known.iter().any(|(of, known)| *of == pid && **known == *section) {
            return false;
        }
        let current = section.len() >= HEAD + CRC && section[1] & 0x80 != 0 && section[5] & 1 != 0;
        if !current || crc(section) != 0 {
            return false;
        }
        let body = &section[HEAD..section.len() - CRC];
        match section[0] {
            PAT if pid == PAT_PID => self.associate(section, body),
            PMT => self.map(pid, section, body),
            _ => false,
        }
    }

    fn associate(&mut self, section: &[u8], body: &[u8]) -> bool {
        let (version, number, last) = (section[5] >> 1 & 0x1f, usize::from(section[6]), section[7]);
        let sections = usize::from(last) + 1;
        if number >= sections {
            return false;
        }
        let goes_on = self.table.version == version
            && self.table.parts.len() == sections
            && self.table.parts.get(number).is_some_and(Option::is_none);
        if !goes_on {
            // Of one table each section has to come once; what comes in another form is of another table.
            self.table = Table { version, parts: vec![None; sections] };
            self.known.retain(|(of, _)| *of != PAT_PID);
        }
        let entry = |entry: &[u8]| Programme {
            number: u16::from_be_bytes([entry[0], entry[1]]),
            pmt_pid: u16::from_be_bytes([entry[2] & 0x1f, entry[3]]),
            pcr_pid: UNKNOWN,
        };
        // Number zero names the network information table.
        let listed: Vec<_> =
            body.chunks_exact(4).map(entry).filter(|programme| programme.number != 0).collect();
        for &programme in &listed {
            self.note(programme);
        }
        self.table.parts[number] = Some(listed);
        self.known.push((PAT_PID, section.into()));
        if self.table.parts.iter().all(Option::is_some) {
            self.begin_table();
        }
        true
    }

    /// The table that was collected is in force. What a map has said of a programme that
    /// stays where it was holds until another map comes.
    fn begin_table(&mut self) {
        let listed = self.table.parts.iter().flatten().flatten();
        let now: Vec<_> = listed
            .map(|&programme| {
                let same = |before: &&Programme| {
                    (before.number, before.pmt_pid) == (programme.number, programme.pmt_pid)
                };
                self.now.iter().find(same).copied().unwrap_or(programme)
            })
            .collect();
        self.now = now;
        *self.wanted = [0; 128];
        self.want(PAT_PID);
        for at in 0..self.now.len() {
            self.want(self.now[at].pmt_pid);
        }
        let mut sections = std::mem::take(&mut self.sections);
        sections.retain(|&(pid, _)| self.wants(pid));
        self.sections = sections;
        // Maps that were taken for the table before have to be looked at again.
        self.known.retain(|(of, _)| *of == PAT_PID);
    }

    fn map(&mut self, pid: u16, section: &[u8], body: &[u8]) -> bool {
        let Some(pcr_pid) = body.first_chunk::<2>() else { return false };
        let (number, pcr_pid) =
            (u16::from_be_bytes([section[3], section[4]]), u16::from_be_bytes(*pcr_pid) & 0x1fff);
        let same = |programme: &&mut Programme| (programme.number, programme.pmt_pid) == (number, pid);
        let Some(programme) = self.now.iter_mut().find(same) else { return false };
        let told = programme.pcr_pid != pcr_pid;
        programme.pcr_pid = pcr_pid;
        let programme = *programme;
        self.note(programme);
        self.known.retain(|(of, known)| *of != pid || known[3..5] != section[3..5]);
        self.known.push((pid, section.into()));
        told
    }

    /// Notes that there was such a programme.
    fn note(&mut self, programme: Programme) {
        let same = |other: &&mut Programme| {
            (other.number, other.pmt_pid) == (programme.number, programme.pmt_pid)
                && (other.pcr_pid == programme.pcr_pid || !other.is_mapped() || !programme.is_mapped())
        };
        match self.all.iter_mut().find(same) {
            Some(other) if programme.is_mapped() => *other = programme,
            Some(_) => {}
            None => {
                let room = self.all.len() < MOST;
                self.all.extend(room.then_some(programme));
            }
        }
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
