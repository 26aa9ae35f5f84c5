//! What is sent: media files, how they are cut into packets, and what is kept of them.

mod au;
mod bound;
pub mod clock;
pub mod cone;
mod convert;
pub mod error;
mod fields;
pub mod format;
pub mod identity;
pub mod index;
pub mod library;
pub mod making;
pub mod pcm;
#[cfg(test)]
mod pcm_files;
pub mod pcr;
pub mod plan;
pub mod prepared;
pub mod psi;
pub mod scan;
mod shown;
pub mod silence;
mod sound;
pub mod source;
pub mod sync;
#[cfg(test)]
#[path = "../../tests/support/synth.rs"]
pub(crate) mod synth;
pub mod ts;
pub mod unroll;
mod wav;

pub use error::MediaError;
pub use identity::Identity;
pub use sound::Samples;
pub use ts::PcrSpan;

use crate::pace::Pace;
use clock::Clock;
use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileTypeExt as _,
    path::Path,
    time::Duration,
};

/// Payload type of MPEG transport streams (RFC 3551 table 5).
const TS_PAYLOAD_TYPE: u8 = 33;
/// RTP clock of MPEG transport streams, Hz (RFC 2250 §2).
const TS_CLOCK_RATE: u32 = 90_000;
/// Their name in SDP (RFC 3555 §4.2).
const TS_ENCODING: Encoding = Encoding { name: "MP2T", channels: 1 };
/// Seven transport packets: the most that a packet of 1,500 octets holds.
const TS_PAYLOAD: u32 = 7 * TS_PACKET;
const TS_PACKET: u32 = {
    assert!(pcr::PACKET == 188);
    188
};

/// Largest payload type (7 bits, RFC 3550 §5.1).
const PAYLOAD_TYPE_MAX: u8 = 127;

/// What the user said about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `--pt`: RTP payload type.
    pub payload_type: Option<u8>,
    /// `--clock-rate`: RTP timestamp ticks per second.
    pub clock_rate: Option<u32>,
    /// `--payload`: octets of media in a packet.
    pub payload: Option<u32>,
    /// `--pcr-pid`: PID whose PCRs are the clock, 13 bits.
    pub pcr_pid: Option<u16>,
    /// `--ptime`: time of audio in a packet; `payload` goes before it.
    pub ptime: Option<Duration>,
}

/// A payload format as SDP names it (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Its name.
    pub name: &'static str,
    /// Audio channels; 1 where the word means nothing.
    pub channels: u16,
}

/// What a file is and how it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// RTP payload type, 0–127.
    pub payload_type: u8,
    /// RTP timestamp ticks per second, not zero.
    pub clock_rate: u32,
    /// Octets of media in a packet; [`plan::Plan::new`] takes it with `octets`.
    pub payload: u32,
    /// Octets that a payload holds whole numbers of: a transport packet, a
    /// sample of every channel; 1 where nothing is known.
    pub unit: u32,
    /// The encoding, if it is known.
    pub encoding: Option<Encoding>,
    /// Where in the file that is sent the media lies: at least one octet.
    pub octets: Range<u64>,
    /// When each octet is due, where the file's head says all of it (PCM, whose
    /// ticks are samples). A transport stream's clock is in its PCRs.
    pub clock: Option<Clock>,
    /// Which file it is, taken before anything of it was read.
    pub identity: Identity,
    /// Audio of which a copy in RTP's byte order has to be made before it is sent; nobody
    /// finds that again. All other octets that are spoken of are the copy's.
    pub samples: Option<Samples>,
    /// Whether it has PCRs, and packets keep to its units. The scan of all of it tells
    /// what clock they are.
    pub has_pcrs: bool,
    /// PID of the PCRs that are the clock, where the user named one.
    pub pcr_pid: Option<u16>,
    /// From the first PCR to the last, where its two ends show that: for an estimate of
    /// the rate.
    pub pcr: Option<PcrSpan>,
}

impl Media {
    /// How long the media in a full packet lasts, where that is always the
    /// same: PCM.
    pub fn ptime(&self) -> Option<Duration> {
        let clock = self.clock.as_ref()?;
        let ticks = clock.stretch(self.octets.start)?.ticks_at(self.octets.start + u64::from(self.payload));
        Some(Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / u64::from(clock.hertz())))
    }

    /// Refuses a bit rate for media with a clock of its own: timestamps would
    /// count it, and not the samples (RFC 3551 §4.1). `path` is for the error.
    pub fn check_pace(&self, pace: Pace, path: &Path) -> Result<(), MediaError> {
        match (pace, &self.clock) {
            (Pace::Bits(bits), Some(clock)) => {
                Err(MediaError::SoundPace { path: path.into(), bits, rate: clock.hertz() })
            }
            _ => Ok(()),
        }
    }
}

/// Opens a media file and finds out how to send it.
///
/// A transport stream needs no wish, and audio with a header none either
/// ([`pcm`]). Little-endian audio will be copied ([`source::Source::make_ready`]): then the
/// answer is about the copy. Where type, clock rate
/// and payload are wished, any other regular file with content is taken; then
/// one that happens to be a transport stream keeps its clock and name if the
/// payload is whole packets of it.
pub fn open(path: &Path, wish: &Wish) -> Result<(File, Media), MediaError> {
    let payload_type = wish.payload_type.unwrap_or(TS_PAYLOAD_TYPE);
    let clock_rate = wish.clock_rate.unwrap_or(TS_CLOCK_RATE);
    let payload = wish.payload.unwrap_or(TS_PAYLOAD);
    let said = wish.payload_type.is_some() && wish.clock_rate.is_some() && wish.payload.is_some();
    if payload_type > PAYLOAD_TYPE_MAX {
        return Err(MediaError::PayloadType(payload_type));
    }
    if clock_rate == 0 {
        return Err(MediaError::ClockRate);
    }
    let file = open_regular(path)?;
    let identity = Identity::of(&file).map_err(|error| MediaError::system(path, error))?;
    let len = identity.size;
    if let Some(sound) = pcm::probe(&file, len, path, wish)? {
        let media = sound::open(identity, &sound, wish, path)?;
        return Ok((file, media));
    }
    if wish.ptime.is_some() {
        return Err(MediaError::NotSound { path: path.into() });
    }
    let ts = match ts::probe(&file, path, wish.pcr_pid) {
        Err(MediaError::NotTs { .. } | MediaError::Truncated { .. }) if said => None,
        probed => Some(probed?),
    };
    plan::Plan::new(0..len, payload)?;
    let whole_packets = payload.is_multiple_of(TS_PACKET);
    if !said && !whole_packets {
        let suggestion = (payload - payload % TS_PACKET).max(TS_PACKET);
        return Err(MediaError::CutsPackets { path: path.into(), payload, suggestion });
    }
    let ts = ts.filter(|_| whole_packets);
    let encoding = (ts.is_some() && clock_rate == TS_CLOCK_RATE).then_some(TS_ENCODING);
    let has_pcrs = ts.is_some_and(|ts| ts.has_pcrs);
    let pcr = ts.and_then(|ts| ts.pcr);
    let unit = if encoding.is_some() { TS_PACKET } else { 1 };
    let octets = 0..len;
    let media = Media {
        payload_type,
        clock_rate,
        payload,
        unit,
        encoding,
        octets,
        clock: None,
        identity,
        samples: None,
        has_pcrs,
        pcr_pid: wish.pcr_pid,
        pcr,
    };
    Ok((file, media))
}

/// Opens a regular file. Looks before it opens: opening a FIFO would wait, and
/// a device might do something.
pub(crate) fn open_regular(path: &Path) -> Result<File, MediaError> {
    let failed = |error| MediaError::system(path, error);
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(MediaError::Directory { path: path.into() });
    }
    if !kind.is_file() {
        let kind = if kind.is_fifo() {
            "named pipe"
        } else if kind.is_socket() {
            "socket"
        } else {
            "device"
        };
        return Err(MediaError::NotRegular { path: path.into(), kind });
    }
    File::open(path).map_err(failed)
}

#[cfg(test)]
mod tests;
