//! The header of a WAV file: where its samples lie, and what they are.
//!
//! RIFF and its big-endian sister RIFX (Microsoft, Multimedia Programming
//! Interface and Data Specifications 1.0), and RF64 and BW64 for more than
//! 4 GiB (EBU Tech 3306, ITU-R BS.2088).

use super::{
    fields::Fields,
    format::{BadSound, Coding, Format, Order, Sound},
};

/// Octets before a chunk's body: its name and its size.
const CHUNK: usize = 8;
/// Where the first chunk begins, behind `RIFF`, a size and `WAVE`.
const FIRST: usize = 12;

const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_MULAW: u16 = 7;
/// The format tag is the beginning of a GUID further down.
const TAG_EXTENSIBLE: u16 = 0xfffe;
/// The last eight octets of every GUID that is made of a tag.
const GUID_END: [u8; 8] = [0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];

/// What the `head` of a file of `len` octets says; `None`: it is no WAV file.
pub fn parse(head: &[u8], len: u64) -> Option<Result<Sound, BadSound>> {
    let order = match head.first_chunk()? {
        b"RIFF" | b"RF64" | b"BW64" => Order::Little,
        b"RIFX" => Order::Network,
        _ => return None,
    };
    let fields = Fields { octets: head, order };
    (fields.array(8)? == b"WAVE").then(|| walk(fields, len))
}

/// Goes from chunk to chunk until the samples come.
fn walk(head: Fields<'_>, len: u64) -> Result<Sound, BadSound> {
    let (mut format, mut long) = (None, None);
    let mut at = FIRST;
    while let (Some(name), Some(size)) = (head.array::<4>(at), head.u32(at + 4)) {
        let start = at + CHUNK;
        let end = start.saturating_add(size as usize);
        let body = Fields { octets: &head.octets[start..end.min(head.octets.len())], ..head };
        match name {
            b"ds64" => long = body.u64(8),
            b"fmt " => format = Some(read_format(body)?),
            b"data" => {
                let format: Format =
                    format.ok_or(BadSound::Header("there is no `fmt ` chunk before its samples"))?;
                let size = data_size(head, start, size, long, len);
                return format.sound(head.order, start as u64, size, len);
            }
            _ => {}
        }
        // Chunks begin at even octets.
        at = end.saturating_add(size as usize % 2);
    }
    Err(BadSound::Header("there is no `data` chunk in its first MiB"))
}

/// How many octets of samples there are; `None`: up to the end, as it stands
/// where the writer could not come back to tell. It left all ones or zero; but zero
/// is right of a chunk without samples that others follow.
fn data_size(head: Fields<'_>, start: usize, size: u32, long: Option<u64>, len: u64) -> Option<u64> {
    let size = if size == u32::MAX { long? } else { size.into() };
    match size {
        u64::MAX => None,
        0 if !are_chunks(head, start, len) => None,
        size => Some(size),
    }
}

/// Whether there are chunks from `at` on, the last of which ends where the file
/// of `len` octets does. Samples hardly ever look so.
fn are_chunks(head: Fields<'_>, mut at: usize, len: u64) -> bool {
    while let (Some(name), Some(size)) = (head.array::<4>(at), head.u32(at + 4)) {
        let end = at.saturating_add(CHUNK).saturating_add(size as usize);
        let padded = end.saturating_add(size as usize % 2);
        if !name.iter().all(|&octet| matches!(octet, b' '..=b'~')) {
            return false;
        }
        if [end, padded].map(|end| end as u64).contains(&len) {
            return true;
        }
        at = padded;
    }
    false
}

/// The body of a `fmt ` chunk.
fn read_format(body: Fields<'_>) -> Result<Format, BadSound> {
    const SHORT: BadSound = BadSound::Header("its `fmt ` chunk is too short");
    const ODD: BadSound = BadSound::Header("its `fmt ` chunk contradicts itself");
    let u16_at = |at| body.u16(at).ok_or(SHORT);
    let (tag, channels, block, bits) = (u16_at(0)?, u16_at(2)?, u16_at(12)?, u16_at(14)?);
    let rate = body.u32(4).ok_or(SHORT)?;
    let tag = if tag == TAG_EXTENSIBLE { extensible(body).ok_or(SHORT)? } else { tag };
    if channels == 0 || !block.is_multiple_of(channels) {
        return Err(ODD);
    }
    let coding = match (tag, block / channels, bits) {
        (TAG_PCM, 2, 9..=16) => Coding::L16,
        (TAG_PCM, 3, 17..=24) => Coding::L24,
        (TAG_ALAW, 1, _) => Coding::Pcma,
        (TAG_MULAW, 1, _) => Coding::Pcmu,
        (TAG_PCM, container, _) => {
            return Err(BadSound::Unsupported(format!(
                "{bits}-bit samples in {} bits",
                8 * u32::from(container)
            )));
        }
        (TAG_FLOAT, ..) => return Err(BadSound::Unsupported(format!("{bits}-bit floating-point samples"))),
        (tag, ..) => return Err(BadSound::Unsupported(compressed(tag))),
    };
    Ok(Format { coding, channels, rate })
}

/// The tag in the GUID of an extensible format; zero, which is nobody's, where
/// the GUID is not made of one.
fn extensible(body: Fields<'_>) -> Option<u16> {
    let tag = body.u32(24)?;
    let made = body.u16(28)? == 0 && body.u16(30)? == 0x0010 && *body.array(32)? == GUID_END;
    Some(u16::try_from(tag).ok().filter(|_| made).unwrap_or_default())
}

/// What a format is called that is not sent.
fn compressed(tag: u16) -> String {
    match tag {
        0x02 | 0x11 => "ADPCM".into(),
        0x50 | 0x55 => "MPEG audio".into(),
        tag => format!("audio of format 0x{tag:04x}"),
    }
}
