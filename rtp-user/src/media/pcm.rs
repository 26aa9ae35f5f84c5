//! Audio that is not compressed (RFC 3551 §4.5, RFC 3190): what a file holds of
//! it, and how much of it goes into a packet.

use super::{
    Wish, au,
    error::{BadSound, MediaError},
    plan::{PAYLOAD_MAX, PAYLOAD_MIN},
    wav,
};
use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, path::Path, time::Duration};

/// Octets at a file's beginning in which its header must end: room for what
/// production tools put before the samples.
const HEAD: u64 = 1 << 20;
/// What audio without a payload type of its own gets (RFC 3551 §6: 96 to 127).
const DYNAMIC: u8 = 96;
/// The last payload type that RFC 3551 gives to an encoding (table 5).
const LAST_ASSIGNED: u8 = 34;
/// Of PCMU and PCMA where nothing is said, Hz (RFC 3551 §4.5.14).
const TELEPHONE: u32 = 8_000;
/// Packet time of PCMU and PCMA where nothing is said (RFC 3551 §4.2).
const TELEPHONE_PTIME: Duration = Duration::from_millis(20);
/// Packet time of L16 and L24 where nothing is said (AES67 §7.2.1).
const STUDIO_PTIME: Duration = Duration::from_millis(1);

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

/// Payload type and payload of a sound, as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// RTP payload type.
    pub payload_type: u8,
    /// Octets in a packet, a whole number of frames.
    pub payload: u32,
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
    const fn of_type(payload_type: u8) -> Option<Self> {
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

    /// How it is sent, as `wish` has it; `path` is for the error.
    pub fn cut(self, wish: &Wish, path: &Path) -> Result<Cut, MediaError> {
        if let Some(asked) = wish.clock_rate
            && asked != self.rate
        {
            return Err(MediaError::SoundRate { path: path.into(), asked, rate: self.rate });
        }
        let own = self.static_type();
        let payload_type = wish.payload_type.or(own).unwrap_or(DYNAMIC);
        if payload_type <= LAST_ASSIGNED && Some(payload_type) != own {
            return Err(MediaError::SoundType { path: path.into(), payload_type, format: self });
        }
        let payload = match (wish.payload, wish.ptime) {
            (Some(payload), _) => self.whole_frames(payload, path)?,
            (None, Some(ptime)) => self.payload_of(ptime)?,
            (None, None) => self.payload_of(self.default_ptime())?,
        };
        Ok(Cut { payload_type, payload })
    }

    /// `payload`, if it is whole frames.
    fn whole_frames(self, payload: u32, path: &Path) -> Result<u32, MediaError> {
        let frame = self.frame();
        if payload.is_multiple_of(frame) {
            return Ok(payload);
        }
        let nearest = payload.saturating_add(frame / 2) / frame * frame;
        let least = self.least_frames() * frame;
        let suggestion = nearest.clamp(least, (PAYLOAD_MAX / frame * frame).max(least));
        Err(MediaError::CutsFrames { path: path.into(), payload, frame, suggestion })
    }

    /// Octets of the frames whose time is nearest to `ptime`.
    fn payload_of(self, ptime: Duration) -> Result<u32, MediaError> {
        let frames = (ptime.as_nanos() * u128::from(self.rate) + 500_000_000) / 1_000_000_000;
        let (least, most) = (self.least_frames(), PAYLOAD_MAX / self.frame());
        match u32::try_from(frames) {
            Ok(frames) if frames < least => {
                Err(MediaError::PtimeShort { asked: ptime, least: self.time(least) })
            }
            Ok(frames) if frames <= most => Ok(frames * self.frame()),
            _ => Err(MediaError::PtimeLong { asked: ptime, most: self.time(most) }),
        }
    }

    /// Fewest frames that fill a packet.
    const fn least_frames(self) -> u32 {
        PAYLOAD_MIN.div_ceil(self.frame())
    }

    /// AES67 §7.2.1 names packet times by their samples at 48 kHz, and has as
    /// many at 44.1 kHz, where they last a little longer (1.088 ms).
    fn default_ptime(self) -> Duration {
        let ptime = match self.coding {
            Coding::Pcmu | Coding::Pcma => TELEPHONE_PTIME,
            Coding::L16 | Coding::L24 if self.rate.is_multiple_of(11_025) => STUDIO_PTIME * 480 / 441,
            Coding::L16 | Coding::L24 => STUDIO_PTIME,
        };
        ptime.clamp(self.time(self.least_frames()), self.time(PAYLOAD_MAX / self.frame()))
    }

    /// How long `frames` last.
    fn time(self, frames: u32) -> Duration {
        Duration::from_nanos((u64::from(frames) * 1_000_000_000).div_ceil(u64::from(self.rate)))
    }
}

/// The audio in `file` of `len` octets: by its header, by the name `path`, or by
/// the payload type that is wished. `None`: nothing says that it is audio.
pub fn probe(file: &File, len: u64, path: &Path, wish: &Wish) -> Result<Option<Sound>, MediaError> {
    if len == 0 {
        return Err(MediaError::Empty { path: path.into() });
    }
    let head = read_head(file, len).map_err(|error| MediaError::system(path, error))?;
    let sound = match wav::parse(&head, len).or_else(|| au::parse(&head, len)) {
        Some(sound) => Some(sound),
        None => raw(path, wish).map(|format| format.sound(Order::Network, 0, None, len)),
    };
    sound.transpose().map_err(|why| MediaError::Sound { path: path.into(), why })
}

fn read_head(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut head = vec![0; len.min(HEAD) as usize];
    file.read_exact_at(&mut head, 0)?;
    Ok(head)
}

/// What a file without a header holds: its name says so, or the payload type
/// does. A name says nothing of the rate; 8 kHz is the usual one.
fn raw(path: &Path, wish: &Wish) -> Option<Format> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let coding = match extension.to_ascii_lowercase().as_str() {
        "ulaw" | "ul" => Coding::Pcmu,
        "alaw" | "al" => Coding::Pcma,
        _ => return Format::of_type(wish.payload_type?),
    };
    Some(Format { coding, channels: 1, rate: wish.clock_rate.unwrap_or(TELEPHONE) })
}

/// Milliseconds with up to three decimals, as AES67 §8.1 has them of packet
/// times: within half a sample, so that a receiver finds the number of samples.
pub fn milliseconds(time: Duration) -> String {
    let micros = (time.as_nanos() + 500) / 1000;
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The numbers in a header; `None` where it ends before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub octets: &'a [u8],
    pub order: Order,
}

impl<'a> Fields<'a> {
    pub fn array<const N: usize>(self, at: usize) -> Option<&'a [u8; N]> {
        self.octets.get(at..)?.first_chunk()
    }

    pub fn u16(self, at: usize) -> Option<u16> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u16::from_be_bytes(octets)
        } else {
            u16::from_le_bytes(octets)
        })
    }

    pub fn u32(self, at: usize) -> Option<u32> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        })
    }

    pub fn u64(self, at: usize) -> Option<u64> {
        let octets = *self.array(at)?;
        Some(if self.order == Order::Network {
            u64::from_be_bytes(octets)
        } else {
            u64::from_le_bytes(octets)
        })
    }
}

#[cfg(test)]
#[path = "pcm_tests.rs"]
mod tests;
