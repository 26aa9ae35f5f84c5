//! Audio that is not compressed (RFC 3551 §4.5, RFC 3190): what a file holds of
//! it, and how much of it goes into a packet.

use super::{
    Wish, au,
    error::MediaError,
    format::{Coding, Format, Order, Sound, TELEPHONE},
    plan::{PAYLOAD_MAX, PAYLOAD_MIN},
    wav,
};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, time::Duration};

/// Octets at a file's beginning in which its header must end: room for what
/// production tools put before the samples.
const HEAD: u64 = 1 << 20;
/// What audio without a payload type of its own gets (RFC 3551 §6: 96 to 127).
const DYNAMIC: u8 = 96;
/// The last payload type that RFC 3551 gives to an encoding (table 5).
const LAST_ASSIGNED: u8 = 34;
/// Packet time of PCMU and PCMA where nothing is said (RFC 3551 §4.2).
const TELEPHONE_PTIME: Duration = Duration::from_millis(20);
/// Packet time of L16 and L24 where nothing is said (AES67 §7.2.1).
const STUDIO_PTIME: Duration = Duration::from_millis(1);

/// Payload type and payload of a sound, as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// RTP payload type.
    pub payload_type: u8,
    /// Octets in a packet, a whole number of frames.
    pub payload: u32,
}

impl Format {
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
        let frames = frames_in(ptime, self.rate);
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

/// The number of samples of each channel whose time is nearest to `ptime`, at
/// `rate` samples a second.
pub fn frames_in(ptime: Duration, rate: u32) -> u128 {
    (ptime.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000
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

#[cfg(test)]
#[path = "pcm_tests.rs"]
mod tests;
