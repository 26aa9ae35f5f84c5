//! Audio files, written here so that nothing of krtp's own is taken on trust.

use super::media::noise;

/// Samples of some format, in network byte order.
#[derive(Clone, Debug)]
pub struct Pcm {
    /// Octets of a sample.
    pub width: u16,
    pub channels: u16,
    pub rate: u32,
    pub samples: Vec<u8>,
}

impl Pcm {
    /// Noise for `frames` samples of every channel.
    pub fn noise(width: u16, channels: u16, rate: u32, frames: usize) -> Self {
        let samples = noise(usize::from(width * channels) * frames);
        Self { width, channels, rate, samples }
    }

    /// Octets of a sample of every channel.
    pub fn frame(&self) -> u64 {
        u64::from(self.width * self.channels)
    }

    /// A WAV file (16 or 24 bits), with a chunk before the samples and one behind.
    pub fn wav(&self) -> Vec<u8> {
        let Self { width, channels, rate, ref samples } = *self;
        let data = u32::try_from(samples.len()).expect("a short sound");
        let mut file = [b"RIFF", &(data + 68).to_le_bytes()[..], b"WAVEfmt ", &16u32.to_le_bytes()].concat();
        file.extend([1, channels].map(u16::to_le_bytes).concat());
        file.extend([rate, rate * u32::from(width * channels)].map(u32::to_le_bytes).concat());
        file.extend([width * channels, 8 * width].map(u16::to_le_bytes).concat());
        file.extend(b"junk\x05\0\0\0wasteXdata");
        file.extend(data.to_le_bytes());
        let little = samples.chunks(width.into()).flat_map(|sample| sample.iter().rev());
        file.extend(little);
        file.extend(b"LIST\x0a\0\0\0not to send"[..18].iter());
        file
    }

    /// An AU file of `encoding`: 1 µ-law, 3 and 4 of 16 and 24 bits, 27 A-law.
    pub fn au(&self, encoding: u32) -> Vec<u8> {
        let data = u32::try_from(self.samples.len()).expect("a short sound");
        let mut file = b".snd".to_vec();
        file.extend([32, data, encoding, self.rate, self.channels.into()].map(u32::to_be_bytes).concat());
        file.extend([0; 8]);
        file.extend(&self.samples);
        file
    }
}
