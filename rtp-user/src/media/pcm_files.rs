//! Audio files, built field by field for tests.

use super::format::Order;

/// A `fmt ` chunk's body: tag, channels, rate, octets of a frame, bits of a sample.
pub fn fmt(order: Order, tag: u16, channels: u16, rate: u32, block: u16, bits: u16) -> Vec<u8> {
    let short =
        |number: u16| if order == Order::Network { number.to_be_bytes() } else { number.to_le_bytes() };
    let long =
        |number: u32| if order == Order::Network { number.to_be_bytes() } else { number.to_le_bytes() };
    let per_second = long(rate.wrapping_mul(block.into()));
    [&short(tag)[..], &short(channels), &long(rate), &per_second, &short(block), &short(bits)].concat()
}

/// The same with what an extensible one has behind it: `tag` in a GUID.
pub fn extensible(tag: u16, channels: u16, block: u16, bits: u16) -> Vec<u8> {
    let mut body = fmt(Order::Little, 0xfffe, channels, 48_000, block, bits);
    body.extend([22, 0, 24, 0, 3, 0, 0, 0]);
    body.extend(tag.to_le_bytes());
    body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    body
}

/// A file: magic, then chunks of a name, what stands as their size, and a body.
pub fn riff(magic: &[u8], chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let size = |size: u32| if magic == b"RIFX" { size.to_be_bytes() } else { size.to_le_bytes() };
    let mut file = [magic, &size(u32::MAX), b"WAVE"].concat();
    for (name, octets, body) in chunks {
        file.extend([&name[..], &size(*octets), body].concat());
        file.extend(vec![0; body.len() % 2]);
    }
    file
}

/// A file with a format and `data` that is said to be `size` octets.
pub fn wave(format: &[u8], size: u32, data: &[u8]) -> Vec<u8> {
    riff(b"RIFF", &[(b"fmt ", format.len() as u32, format), (b"data", size, data)])
}

/// An AU file whose header says this, and which holds `data`.
pub fn au_file(start: u32, size: u32, encoding: u32, rate: u32, channels: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b".snd".to_vec();
    file.extend([start, size, encoding, rate, channels].into_iter().flat_map(u32::to_be_bytes));
    file.resize(file.len().max(start.min(1000) as usize), 0);
    file.extend(data);
    file
}
