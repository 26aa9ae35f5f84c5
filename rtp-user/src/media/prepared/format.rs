//! The form of a prepared file, version 1 (`docs/prepared-format.md`): a head of
//! one page, the packets one behind the other, the clock's knots, a checksum for
//! each block of packets, and a tail. All numbers are little-endian; RTP headers
//! stand as they go on the wire.

use crate::media::{
    Encoding,
    clock::Knot,
    format::Coding,
    identity::Identity,
    plan::{Plan, PlanError},
};
use rtp_common::header::LEN;
use std::{
    ffi::OsStr,
    ops::Range,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// First octets of a prepared file.
pub const MAGIC: [u8; 8] = *b"krtpprep";
/// Last octets of it.
const END: [u8; 8] = *b"krtptail";
/// The version of this form.
pub const VERSION: u32 = 1;
/// Octets of the head: a page, so that the packets begin with one.
pub const HEAD: usize = 4096;
/// Octets of packets that a checksum is taken over.
pub const BLOCK: u64 = 1 << 20;
/// Octets of the tail: CRC-32 of knots and block sums, nothing, [`END`].
pub const TAIL: usize = 16;
/// Octets of a knot.
const KNOT: usize = 16;
/// Where the source's path stands in the head, and where the head's check does.
const PATH: usize = 200;
const CHECK: usize = HEAD - 4;
/// Longest path that has room there.
pub const LONGEST_PATH: usize = CHECK - PATH;

/// All timestamps are alike: the source has no clock.
pub const ALIKE: u32 = 0;
/// Times are those of PCRs.
pub const PCRS: u32 = 1;
/// Octets are evenly spread: audio, or a rate that was given.
pub const EVEN: u32 = 2;

/// Where a copy's times come from. Two copies of one file with equal clocks and
/// equal packets have equal timestamps, but for where they begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// [`ALIKE`], [`PCRS`] or [`EVEN`].
    pub kind: u32,
    /// Ticks per second of the knots; zero where there are none.
    pub hertz: u32,
    /// The PID of the PCRs (`u64::MAX`: the first programme's), or the ticks that all octets last.
    pub value: u64,
}

/// What can be had of a source in but one way, whoever prepares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The source, when its copy was made.
    pub identity: Identity,
    /// Which octets of it are sent. Of little-endian audio: of its samples in network order.
    pub octets: Range<u64>,
    /// Octets of a full payload.
    pub payload: u32,
    /// A payload is whole units of so many octets.
    pub unit: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Ticks of the timestamps per second.
    pub clock_rate: u32,
    /// The payload format as SDP names it.
    pub encoding: Option<Encoding>,
    /// Where times come from.
    pub timing: Timing,
}

/// Where a copy's RTP headers begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Synchronization source of all packets.
    pub ssrc: u32,
    /// Sequence number of the first.
    pub sequence: u16,
    /// Timestamp of the first.
    pub timestamp: u32,
}

/// What a prepared file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is a copy of.
    pub kind: Kind,
    /// Its headers.
    pub numbers: Numbers,
    /// How many knots its clock has.
    pub knots: u64,
    /// Where its source was.
    pub source: PathBuf,
}

/// Why octets are no head of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// Something else.
    Foreign,
    /// Of another version.
    Version(u32),
    /// Not as it was written.
    Damaged,
}

/// Encoding names that a head may have; what RTP calls them is `&'static`.
fn name_of(octets: &[u8]) -> Option<&'static str> {
    let names = [Coding::Pcmu, Coding::Pcma, Coding::L16, Coding::L24].map(Coding::name);
    names.into_iter().chain(["MP2T"]).find(|name| padded(name) == octets)
}

fn padded(name: &str) -> [u8; 8] {
    let mut octets = [0; 8];
    octets[..name.len().min(8)].copy_from_slice(&name.as_bytes()[..name.len().min(8)]);
    octets
}

impl Kind {
    /// How it is cut.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        Plan::new(self.octets.clone(), self.payload)
    }
}

impl Head {
    /// As it stands in the file.
    pub fn encode(&self) -> Box<[u8; HEAD]> {
        let mut page = Box::new([0; HEAD]);
        let Self { kind, numbers, .. } = self;
        let mut at = 0;
        let mut put = |octets: &[u8]| {
            page[at..at + octets.len()].copy_from_slice(octets);
            at += octets.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&(HEAD as u32).to_le_bytes());
        let Identity { device, inode, size, modified, changed } = kind.identity;
        for number in [
            device,
            inode,
            size,
            modified.cast_unsigned(),
            changed.cast_unsigned(),
            kind.octets.start,
            kind.octets.end,
        ] {
            put(&number.to_le_bytes());
        }
        for number in [kind.payload, kind.unit, kind.clock_rate, u32::from(kind.payload_type)] {
            put(&number.to_le_bytes());
        }
        put(&padded(kind.encoding.map_or("", |encoding| encoding.name)));
        put(&kind.encoding.map_or(0, |encoding| u64::from(encoding.channels)).to_le_bytes());
        put(&kind.timing.kind.to_le_bytes());
        put(&kind.timing.hertz.to_le_bytes());
        put(&kind.timing.value.to_le_bytes());
        put(&self.knots.to_le_bytes());
        for number in [numbers.ssrc, numbers.timestamp, u32::from(numbers.sequence), 0] {
            put(&number.to_le_bytes());
        }
        put(&BLOCK.to_le_bytes());
        let path = self.source.as_os_str().as_bytes();
        put(&(path.len() as u64).to_le_bytes());
        debug_assert!(at <= PATH, "{at} octets before the path");
        page[PATH..PATH + path.len()].copy_from_slice(path);
        let check = crc32fast::hash(&page[..CHECK]);
        page[CHECK..].copy_from_slice(&check.to_le_bytes());
        page
    }

    /// The head that `page` is.
    pub fn decode(page: &[u8; HEAD]) -> Result<Self, BadHead> {
        let mut rest = &page[..];
        if take::<8>(&mut rest) != MAGIC {
            return Err(BadHead::Foreign);
        }
        let version = u32::from_le_bytes(take(&mut rest));
        if version != VERSION {
            return Err(BadHead::Version(version));
        }
        if crc32fast::hash(&page[..CHECK]).to_le_bytes() != page[CHECK..] {
            return Err(BadHead::Damaged);
        }
        let head = Self::read(rest, &page[PATH..CHECK]).ok_or(BadHead::Damaged)?;
        // Whatever has the right check is still to be a file that can be played.
        if head.kind.plan().is_err() || head.octets().is_none() { Err(BadHead::Damaged) } else { Ok(head) }
    }

    fn read(mut rest: &[u8], path: &[u8]) -> Option<Self> {
        let _head = take::<4>(&mut rest);
        let mut long = [0; 7];
        for number in &mut long {
            *number = u64::from_le_bytes(take(&mut rest));
        }
        let [device, inode, size, modified, changed, from, to] = long;
        let (modified, changed) = (modified.cast_signed(), changed.cast_signed());
        let mut short = || u32::from_le_bytes(take(&mut rest));
        let [payload, unit, clock_rate, payload_type] = [short(), short(), short(), short()];
        let name = take::<8>(&mut rest);
        let channels = u64::from_le_bytes(take(&mut rest));
        let encoding = name_of(&name).map(|name| Encoding { name, channels: channels as u16 });
        let kind = u32::from_le_bytes(take(&mut rest));
        let hertz = u32::from_le_bytes(take(&mut rest));
        let value = u64::from_le_bytes(take(&mut rest));
        let knots = u64::from_le_bytes(take(&mut rest));
        let ssrc = u32::from_le_bytes(take(&mut rest));
        let timestamp = u32::from_le_bytes(take(&mut rest));
        let sequence = u32::from_le_bytes(take(&mut rest)) as u16;
        let _ = take::<4>(&mut rest);
        let block = u64::from_le_bytes(take(&mut rest));
        let length = usize::try_from(u64::from_le_bytes(take(&mut rest))).ok()?;
        (block == BLOCK && clock_rate > 0).then_some(Self {
            kind: Kind {
                identity: Identity { device, inode, size, modified, changed },
                octets: from..to,
                payload,
                unit,
                payload_type: u8::try_from(payload_type).ok()?,
                clock_rate,
                encoding,
                timing: Timing { kind, hertz, value },
            },
            numbers: Numbers { ssrc, sequence, timestamp },
            knots,
            source: Path::new(OsStr::from_bytes(path.get(..length)?)).into(),
        })
    }

    /// Octets of all packets with their headers.
    pub fn packet_octets(&self) -> u64 {
        self.kind.plan().map_or(0, |plan| plan.octets() + plan.packets() * LEN as u64)
    }

    /// Blocks that they make.
    pub fn blocks(&self) -> u64 {
        self.packet_octets().div_ceil(BLOCK)
    }

    /// Octets of knots and block sums.
    pub fn table(&self) -> Option<u64> {
        self.knots.checked_mul(KNOT as u64)?.checked_add(self.blocks() * 4)
    }

    /// Octets of the whole file.
    pub fn octets(&self) -> Option<u64> {
        let media = self.kind.octets.end.checked_sub(self.kind.octets.start)?;
        // Nothing below passes 64 bits for what a disk can hold.
        (media < 1 << 60).then_some(())?;
        (HEAD as u64 + self.packet_octets()).checked_add(self.table()?)?.checked_add(TAIL as u64)
    }

    /// Where in the file `packets` stand from number `first` on, with `octets` of
    /// payload in all: only the file's last is not `payload` octets long.
    pub fn place(payload: u32, first: u64, packets: usize, octets: usize) -> Range<u64> {
        let start = HEAD as u64 + first * (u64::from(payload) + LEN as u64);
        start..start + (octets + packets * LEN) as u64
    }
}

/// The next `N` octets of `rest`, which has them.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (first, others) = rest.split_first_chunk().expect("a head is longer than its fields");
    *rest = others;
    *first
}

/// Knots, block sums and tail, as they end a file.
pub fn encode_end(knots: &[Knot], sums: &[u32]) -> Vec<u8> {
    let mut end = Vec::with_capacity(knots.len() * KNOT + sums.len() * 4 + TAIL);
    for knot in knots {
        end.extend(knot.octet.to_le_bytes());
        end.extend(knot.ticks.to_le_bytes());
    }
    end.extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
    let check = crc32fast::hash(&end);
    end.extend(check.to_le_bytes());
    end.extend([0; 4]);
    end.extend(END);
    end
}

/// Knots and block sums that end a file which begins with `head`; `None`: they
/// are damaged.
pub fn decode_end(head: &Head, end: &[u8]) -> Option<(Vec<Knot>, Vec<u32>)> {
    let table = usize::try_from(head.table()?).ok()?;
    let (table, tail) = end.split_at_checked(table)?;
    let check = crc32fast::hash(table).to_le_bytes();
    if tail.len() != TAIL || tail[..4] != check || tail[8..] != END {
        return None;
    }
    let (knots, sums) = table.split_at(usize::try_from(head.knots).ok()? * KNOT);
    let number = |octets: &[u8]| u64::from_le_bytes(octets.try_into().expect("eight octets"));
    let knot = |octets: &[u8]| Knot { octet: number(&octets[..8]), ticks: number(&octets[8..]) };
    let sum = |octets: &[u8]| u32::from_le_bytes(octets.try_into().expect("four octets"));
    Some((knots.chunks_exact(KNOT).map(knot).collect(), sums.chunks_exact(4).map(sum).collect()))
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
