//! The receiver's verdict, a line for each thing that can be wrong.

use super::{receiver::Refused, tally::Tally};
use crate::{
    hash::{hexadecimal, sha256},
    sample,
};
use std::fmt::{self, Write};

/// MPEG-TS in RTP: payload type and clock (RFC 3551 §6, RFC 2250 §2).
const PAYLOAD_TYPE: u8 = 33;
const CLOCK: f64 = 90_000.0;
/// Seven TS packets in a datagram.
const PAYLOAD: usize = 7 * 188;
/// What the stream may take longer or shorter than the media, seconds: the last datagram's length and some bursts.
const TOLERANCE: f64 = 0.25;

/// What was sent, what came, what the receiving kernel refused.
pub struct Verdict<'a> {
    /// The file.
    pub file: &'a [u8],
    /// The receiver's count.
    pub tally: &'a Tally,
    /// The receiving kernel's count.
    pub refused: Refused,
}

/// One line.
struct Finding {
    name: &'static str,
    good: bool,
    text: String,
}

impl Verdict<'_> {
    /// Whether there is nothing to object to.
    pub fn is_good(&self) -> bool {
        self.findings().iter().all(|finding| finding.good)
    }

    fn findings(&self) -> Vec<Finding> {
        vec![
            self.packets(),
            self.sequence(),
            self.header(),
            self.timestamps(),
            self.checksums(),
            self.payload(),
            self.time(),
        ]
    }

    fn packets(&self) -> Finding {
        let (came, sent) = (self.tally.packets, self.file.len().div_ceil(PAYLOAD) as u64);
        let mut text = format!("{} of {}", thousands(came), thousands(sent));
        let foreign = self.tally.not_rtp;
        if foreign > 0 {
            _ = write!(text, "; {foreign} datagrams were no RTP");
        }
        Finding { name: "packets", good: came == sent && foreign == 0, text }
    }

    fn sequence(&self) -> Finding {
        let Tally { lost, late, first, last, .. } = self.tally;
        let range = first.zip(*last).map(|(a, b)| format!(", {} to {}", a.sequence, b.sequence));
        let text = format!("{lost} missing, {late} late or twice{}", range.unwrap_or_default());
        Finding { name: "sequence", good: *lost == 0 && *late == 0, text }
    }

    fn header(&self) -> Finding {
        let Some(first) = self.tally.first else {
            return Finding { name: "header", good: false, text: "none".to_owned() };
        };
        let strange = self.tally.strange;
        let text = format!(
            "12 octets, payload type {}, SSRC {:#010x}; {strange} differ",
            first.payload_type, first.ssrc
        );
        Finding { name: "header", good: strange == 0 && first.payload_type == PAYLOAD_TYPE, text }
    }

    fn timestamps(&self) -> Finding {
        let seconds = f64::from(self.tally.ticks()) / CLOCK;
        let text = format!("{} ticks of 90 kHz, {seconds:.3} s", thousands(self.tally.ticks().into()));
        Finding { name: "timestamps", good: (seconds - self.media()).abs() < TOLERANCE, text }
    }

    fn checksums(&self) -> Finding {
        let Refused { checksum, buffer } = self.refused;
        let mut text = format!("{checksum} refused by the receiving kernel");
        if buffer > 0 {
            _ = write!(text, "; {buffer} came too fast for the receiver");
        }
        Finding { name: "checksums", good: checksum == 0, text }
    }

    fn payload(&self) -> Finding {
        let (came, sent) = (self.tally.payload_hash(), sha256(self.file));
        let good = came == sent;
        let [came, sent] = [came, sent].map(|hash| hexadecimal(&hash[..6]));
        let octets = thousands(self.tally.octets);
        let text = if good {
            format!("{octets} octets, SHA-256 {came}… as the file's")
        } else {
            format!("{octets} octets, SHA-256 {came}…, the file's is {sent}…")
        };
        Finding { name: "payload", good, text }
    }

    fn time(&self) -> Finding {
        let (took, media) = (self.tally.time().as_secs_f64(), self.media());
        let text = format!("{took:.3} s for {media:.3} s of media");
        Finding { name: "time", good: (took - media).abs() < TOLERANCE, text }
    }

    /// The media's duration in seconds.
    fn media(&self) -> f64 {
        sample::duration(self.file.len() as u64).as_secs_f64()
    }
}

/// With a comma after each thousand.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { name, good, text } in self.findings() {
            writeln!(f, "  {:4} {name:<11} {text}", if good { "ok" } else { "BAD" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_types::RtpPacketBuilder;
    use std::time::{Duration, Instant};

    const FINE: Refused = Refused { checksum: 0, buffer: 0 };

    /// One second of the sample's rate, as a sender should send it, but for what `damage` does to packet 100.
    fn stream(file: &[u8], damage: impl Fn(&mut Vec<u8>)) -> Tally {
        let (mut tally, start) = (Tally::default(), Instant::now());
        for (i, payload) in (0_u32..).zip(file.chunks(PAYLOAD)) {
            let time = sample::duration(u64::from(i) * PAYLOAD as u64);
            let mut packet = RtpPacketBuilder::<&[u8], &[u8]>::new()
                .payload_type(PAYLOAD_TYPE)
                .sequence_number(u16::try_from(i).unwrap().wrapping_sub(50))
                .timestamp(u32::try_from(time.as_micros() * 9 / 100).unwrap().wrapping_sub(10_000))
                .ssrc(0x8000_0001)
                .payload(payload)
                .write_vec()
                .unwrap();
            if i == 100 {
                damage(&mut packet);
            }
            if !packet.is_empty() {
                tally.take(&packet, start + time);
            }
        }
        tally
    }

    /// Name, what happens to packet 100, what the kernel refused, what is to be found bad.
    type Case<'a> = (&'a str, fn(&mut Vec<u8>), Refused, &'a [&'a str]);

    #[test]
    fn each_kind_of_damage_is_named() {
        let file: Vec<u8> = (0..250_040_u32).map(|i| i.to_le_bytes()[(i % 3) as usize]).collect();
        let bad_sum = Refused { checksum: 1, buffer: 0 };
        let cases: [Case; 7] = [
            ("nothing", |_| (), FINE, &[]),
            ("a packet lost", Vec::clear, FINE, &["packets", "sequence", "payload"]),
            ("a bit of the payload", |p| p[700] ^= 1, FINE, &["payload"]),
            ("another SSRC", |p| p[9] ^= 1, FINE, &["header"]),
            ("an old sequence number", |p| p[3] = p[3].wrapping_sub(3), FINE, &["sequence"]),
            ("no RTP", |p| p[0] = 0, FINE, &["packets", "sequence", "payload"]),
            ("a refused checksum", |_| (), bad_sum, &["checksums"]),
        ];
        for (name, damage, refused, expected) in cases {
            let tally = stream(&file, damage);
            let verdict = Verdict { file: &file, tally: &tally, refused };
            let bad: Vec<_> = verdict.findings().iter().filter(|f| !f.good).map(|f| f.name).collect();
            assert!(expected.iter().all(|finding| bad.contains(finding)), "{name}: {verdict}");
            assert_eq!(verdict.is_good(), expected.is_empty(), "{name}: {verdict}");
        }
    }

    #[test]
    fn a_stream_that_takes_too_long_is_not_good() {
        let file = vec![0; PAYLOAD * 190];
        let mut tally = Tally::default();
        let start = Instant::now();
        for (i, payload) in (0_u64..).zip(file.chunks(PAYLOAD)) {
            let mut packet = vec![0x80, PAYLOAD_TYPE, 0, u8::try_from(i).unwrap()];
            packet.extend([0; 8]);
            packet.extend(payload);
            tally.take(&packet, start + Duration::from_millis(i * 10));
        }
        let verdict = Verdict { file: &file, tally: &tally, refused: FINE };
        let bad: Vec<_> = verdict.findings().iter().filter(|f| !f.good).map(|f| f.name).collect();
        assert_eq!(bad, ["timestamps", "time"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1_000, 1_498_548].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,498,548"]);
    }

    #[test]
    fn the_lines_fit_a_terminal() {
        let tally = stream(&vec![7; 1_498_548], |_| ());
        let text = Verdict { file: &vec![7; 1_498_548], tally: &tally, refused: FINE }.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
