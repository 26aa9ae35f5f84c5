//! The header of an AU file (`.au`, `.snd`): all numbers in network byte order,
//! as RTP has them.

use super::{
    fields::Fields,
    format::{BadSound, Coding, Format, Order, Sound},
};

/// Octets of the header's fixed part.
const FIXED: u32 = 24;

/// What the `head` of a file of `len` octets says; `None`: it is no AU file.
pub fn parse(head: &[u8], len: u64) -> Option<Result<Sound, BadSound>> {
    let fields = Fields { octets: head, order: Order::Network };
    (fields.array(0)? == b".snd").then(|| {
        let number = |at| fields.u32(at).ok_or(BadSound::Header("it ends within its header"));
        let (start, size, encoding) = (number(4)?, number(8)?, number(12)?);
        let (rate, channels) = (number(16)?, number(20)?);
        if start < FIXED {
            return Err(BadSound::Header("its samples would begin within its header"));
        }
        let coding = coding(encoding)?;
        let Ok(channels) = channels.try_into() else {
            return Err(BadSound::Unsupported(format!("{channels} channels")));
        };
        // All ones where the writer did not know.
        let size = (size != 0 && size != u32::MAX).then_some(size.into());
        Format { coding, channels, rate }.sound(Order::Network, start.into(), size, len)
    })
}

fn coding(encoding: u32) -> Result<Coding, BadSound> {
    let what = match encoding {
        1 => return Ok(Coding::Pcmu),
        3 => return Ok(Coding::L16),
        4 => return Ok(Coding::L24),
        27 => return Ok(Coding::Pcma),
        2 => "8-bit samples".into(),
        5 => "32-bit samples".into(),
        6 => "32-bit floating-point samples".into(),
        7 => "64-bit floating-point samples".into(),
        23..=26 => "ADPCM".into(),
        other => format!("audio of encoding {other}"),
    };
    Err(BadSound::Unsupported(what))
}
