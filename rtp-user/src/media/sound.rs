//! Audio as it is sent: from the file itself, or from a copy of its samples.

use super::{
    Encoding, Media, Wish,
    clock::Clock,
    convert::{self, ConvertError},
    error::MediaError,
    format::{Order, Sound},
    identity::Identity,
    index::user_cache_dir,
    pcm::Cut,
    plan::Plan,
};
use std::{fs::File, ops::Range, path::Path};

/// How to send the samples `sound` of `file`; the file that comes with the
/// answer is a copy of them where they are in another order than RTP's.
pub(super) fn open(
    file: File,
    identity: Identity,
    sound: &Sound,
    wish: &Wish,
    path: &Path,
) -> Result<(File, Media), MediaError> {
    let format = sound.format;
    let Cut { payload_type, payload } = format.cut(wish, path)?;
    Plan::new(sound.octets.clone(), payload)?;
    let converted = sound.order == Order::Little;
    let (file, identity, octets) =
        if converted { copy(&file, sound, path)? } else { (file, identity, sound.octets.clone()) };
    let unit = format.frame();
    let frames = (octets.end - octets.start) / u64::from(unit);
    let media = Media {
        payload_type,
        clock_rate: format.rate,
        payload,
        unit,
        encoding: Some(Encoding { name: format.coding.name(), channels: format.channels }),
        clock: Clock::even(format.rate, octets.start, octets.end, frames),
        octets,
        identity,
        converted,
        has_pcrs: false,
        pcr_pid: None,
        pcr: None,
    };
    Ok((file, media))
}

/// A copy in RTP's byte order, what it is, and all of its octets.
fn copy(file: &File, sound: &Sound, path: &Path) -> Result<(File, Identity, Range<u64>), MediaError> {
    let octets = sound.octets.end - sound.octets.start;
    let cache = user_cache_dir();
    let copy = convert::to_network_order(file, sound.octets.clone(), sound.format.coding, cache.as_deref());
    let copy = copy.map_err(|error| match error {
        ConvertError::Read(source) => MediaError::system(path, source),
        ConvertError::Write(source) => MediaError::NoCopy { path: path.into(), octets, source },
    })?;
    let identity = Identity::of(&copy).map_err(|error| MediaError::system(path, error))?;
    Ok((copy, identity, 0..octets))
}
