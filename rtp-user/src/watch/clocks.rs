//! Clock rates by payload type.

/// The static payload types of RFC 3551 §6 (tables 4 and 5) whose timestamps have a
/// clock rate.
const STATIC: &[(u8, u32)] = &[
    (0, 8_000),   // PCMU
    (3, 8_000),   // GSM
    (4, 8_000),   // G723
    (5, 8_000),   // DVI4
    (6, 16_000),  // DVI4
    (7, 8_000),   // LPC
    (8, 8_000),   // PCMA
    (9, 8_000),   // G722, whose clock is not its sampling rate
    (10, 44_100), // L16, two channels
    (11, 44_100), // L16, one channel
    (12, 8_000),  // QCELP
    (13, 8_000),  // comfort noise
    (14, 90_000), // MPA
    (15, 8_000),  // G728
    (16, 11_025), // DVI4
    (17, 22_050), // DVI4
    (18, 8_000),  // G729
    (25, 90_000), // CelB
    (26, 90_000), // JPEG
    (28, 90_000), // nv
    (31, 90_000), // H261
    (32, 90_000), // MPV
    (33, 90_000), // MP2T
    (34, 90_000), // H263
];

/// The static rates, and over them those that the user gave.
pub fn rates(given: &[(u8, u32)]) -> [u32; 128] {
    let mut rates = [0; 128];
    for (payload_type, rate) in STATIC.iter().chain(given) {
        rates[usize::from(*payload_type & 127)] = *rate;
    }
    rates
}

/// Reads `PT=HZ`.
pub fn parse(text: &str) -> Result<(u8, u32), String> {
    let (payload_type, rate) = text.split_once('=').unwrap_or((text, ""));
    match (payload_type.parse(), rate.parse()) {
        (Ok(payload_type @ 0..128), Ok(rate @ 1..)) => Ok((payload_type, rate)),
        _ => Err("give PAYLOAD-TYPE=HERTZ, such as 96=48000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, rates};

    #[test]
    fn the_user_knows_better_than_the_table() {
        let rates = rates(&[(96, 48_000), (33, 1)]);
        for (payload_type, rate) in [(0, 8_000), (11, 44_100), (32, 90_000), (33, 1), (96, 48_000), (97, 0)] {
            assert_eq!(rates[payload_type], rate, "payload type {payload_type}");
        }
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(parse("96=48000"), Ok((96, 48_000)));
        for bad in ["", "96", "=48000", "96=", "128=48000", "96=0", "-1=5", "96=48k"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
