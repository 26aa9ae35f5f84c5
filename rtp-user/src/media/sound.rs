//! Audio as it is sent: from the file itself, or from a copy of its samples.

use super::{
    Encoding, Media, Wish,
    clock::Clock,
    error::MediaError,
    format::{Coding, Order, Sound},
    identity::Identity,
    pcm::Cut,
    plan::Plan,
};
use std::{ops::Range, path::Path};

/// Samples that lie in a file in another order than RTP's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// How each is coded.
    pub coding: Coding,
    /// Where they lie.
    pub octets: Range<u64>,
}

/// How to send the samples `sound` of the file `identity`: of a copy of them, which is not
/// made here, where they are in another order than RTP's.
pub(super) fn open(identity: Identity, sound: &Sound, wish: &Wish, path: &Path) -> Result<Media, MediaError> {
    let format = sound.format;
    let Cut { payload_type, payload } = format.cut(wish, path)?;
    Plan::new(sound.octets.clone(), payload)?;
    let little = sound.order == Order::Little;
    let samples = little.then(|| Samples { coding: format.coding, octets: sound.octets.clone() });
    let octets = if little { 0..sound.octets.end - sound.octets.start } else { sound.octets.clone() };
    let unit = format.frame();
    let frames = (octets.end - octets.start) / u64::from(unit);
    Ok(Media {
        payload_type,
        clock_rate: format.rate,
        payload,
        unit,
        encoding: Some(Encoding { name: format.coding.name(), channels: format.channels }),
        clock: Clock::even(format.rate, octets.start, octets.end, frames),
        octets,
        identity,
        samples,
        has_pcrs: false,
        pcr_pid: None,
        pcr: None,
    })
}
