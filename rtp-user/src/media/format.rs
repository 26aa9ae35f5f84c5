//! What sound is in a file: how its samples are coded, and where they lie.

use super::{plan::PAYLOAD_MAX, shown::Quoted};
use std::{
    fmt::{self, Display, Formatter},
    ops::Range,
    path::Path,
    time::Duration,
};

/// Of PCMU and PCMA where nothing is said, Hz (RFC 3551 §4.5.14).
pub(super) const TELEPHONE: u32 = 8_000;

/// How a sample is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// µ-law of ITU-T G.711 (RFC 3551 §4.5.14).
    Pcmu,
    /// A-law of ITU-T G.711 (RFC 3551 §4.5.14).
    Pcma,
    /// 16 bits, two's complement (RFC 3551 §4.5.11).
    L16,
    /// 24 bits, two's complement (RFC 3190 §4).
    L24,
}

impl Coding {
    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16 => "L16",
            Self::L24 => "L24",
        }
    }

    /// Octets of a sample.
    pub const fn octets(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 1,
            Self::L16 => 2,
            Self::L24 => 3,
        }
    }
}

/// What the samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// How each is coded.
    pub coding: Coding,
    /// Channels, at least one.
    pub channels: u16,
    /// Samples of each channel per second, at least one: the RTP clock.
    pub rate: u32,
}

/// The order of octets in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The most significant first, as RTP has it.
    Network,
    /// The least significant first.
    Little,
}

/// The audio in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// What the samples are.
    pub format: Format,
    /// The order of a sample's octets.
    pub order: Order,
    /// Where they lie in the file: at least one, a whole number of frames.
    pub octets: Range<u64>,
}

impl Format {
    /// Octets of a sample of every channel.
    pub const fn frame(self) -> u32 {
        self.coding.octets() * self.channels as u32
    }

    /// The payload type that RFC 3551 table 4 gives it.
    pub const fn static_type(self) -> Option<u8> {
        match (self.coding, self.rate, self.channels) {
            (Coding::Pcmu, TELEPHONE, 1) => Some(0),
            (Coding::Pcma, TELEPHONE, 1) => Some(8),
            (Coding::L16, 44_100, 2) => Some(10),
            (Coding::L16, 44_100, 1) => Some(11),
            _ => None,
        }
    }

    /// The format that RFC 3551 table 4 gives a payload type.
    pub(super) const fn of_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self { coding: Coding::Pcmu, channels: 1, rate: TELEPHONE }),
            8 => Some(Self { coding: Coding::Pcma, channels: 1, rate: TELEPHONE }),
            10 => Some(Self { coding: Coding::L16, channels: 2, rate: 44_100 }),
            11 => Some(Self { coding: Coding::L16, channels: 1, rate: 44_100 }),
            _ => None,
        }
    }

    /// Its sound in `octets` of a file of `len` octets, of which the last may
    /// be no whole frame. `None`: to the end of the file.
    pub(super) fn sound(
        self,
        order: Order,
        start: u64,
        octets: Option<u64>,
        len: u64,
    ) -> Result<Sound, BadSound> {
        let Self { channels, rate, .. } = self;
        if channels == 0 || rate == 0 {
            return Err(BadSound::Header("it says that there are no channels, or no samples in a second"));
        }
        if self.frame() > PAYLOAD_MAX {
            return Err(BadSound::Unsupported(format!("{channels} channels")));
        }
        let held = len.saturating_sub(start);
        let promised = octets.unwrap_or(held);
        if promised > held {
            return Err(BadSound::Cut { promised, held });
        }
        let whole = promised - promised % u64::from(self.frame());
        // One octet has no order.
        let order = if self.coding.octets() == 1 { Order::Network } else { order };
        let sound = Sound { format: self, order, octets: start..start + whole };
        if whole > 0 { Ok(sound) } else { Err(BadSound::Silence) }
    }
}

/// Why the audio in a file cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSound {
    /// A header that cannot be understood: what is wrong with it.
    Header(&'static str),
    /// Samples that RTP has no name for, or krtp does not send.
    Unsupported(String),
    /// The file ends before its samples do.
    Cut {
        /// Octets of samples that the header promises.
        promised: u64,
        /// Octets that there are.
        held: u64,
    },
    /// No sample in it.
    Silence,
}

impl BadSound {
    /// What the user can do about it.
    pub(super) fn remedy(&self, path: &Path) -> String {
        let path = Quoted(path);
        match self {
            Self::Header(_) => format!("rewrite it with `ffmpeg -i {path} NEW.wav`"),
            Self::Unsupported(_) => {
                format!("convert it with `ffmpeg -i {path} -c:a pcm_s24le NEW.wav` (pcm_s16le for 16 bits)")
            }
            Self::Cut { .. } => format!("keep what there is with `ffmpeg -i {path} -c copy NEW.wav`"),
            Self::Silence => "name a file with content".into(),
        }
    }
}

impl Display for BadSound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(wrong) => write!(f, "the audio header is no good: {wrong}"),
            Self::Unsupported(what) => {
                write!(f, "{what} cannot be sent, only 16 and 24 bits, A-law and µ-law")
            }
            Self::Cut { promised, held } => {
                write!(f, "truncated: {promised} octets of samples are promised, {held} are there")
            }
            Self::Silence => f.write_str("there is no sample in it"),
        }
    }
}

/// Milliseconds with up to three decimals, as AES67 §8.1 has them of packet
/// times: within half a sample, so that a receiver finds the number of samples.
pub fn milliseconds(time: Duration) -> String {
    let micros = (time.as_nanos() + 500) / 1000;
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
