//! The program clock reference: the media's own clock, as a transport stream
//! carries it (ISO/IEC 13818-1 §2.4.3.4 and §2.4.3.5).

/// Octets of a transport packet.
pub const PACKET: usize = 188;
/// First octet of every transport packet.
pub const SYNC: u8 = 0x47;
/// Ticks of the system clock in a second.
pub const HERTZ: u64 = 27_000_000;
/// Where in its packet a PCR stands: the octet with the last bit of
/// `program_clock_reference_base`, whose arrival the PCR's value names.
pub const OCTET_IN_PACKET: u64 = 10;

/// A PCR counts to here and begins again: 2^33 ticks of 90 kHz, 26.5 hours.
pub(super) const WRAP: u64 = (1 << 33) * EXTENSION;
/// The extension counts 27 MHz ticks within one of 90 kHz.
const EXTENSION: u64 = 300;
/// The null packets' PID. They have no adaptation field.
pub(super) const NULL_PID: u16 = 0x1fff;

/// One PCR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcr {
    /// PID of the packet that carries it.
    pub pid: u16,
    /// Its value, ticks of 27 MHz, less than 2^33 × 300.
    pub ticks: u64,
}

impl Pcr {
    /// The PCR of a transport packet, if it carries one. Any octets will do.
    ///
    /// ```text
    ///  0        1            2      3           4        5        6 … 9     10           11
    ///  sync     TEI ·· PID   PID    ··AFC····   length   flags    base      base rrrr e  ext
    ///  0x47     1      5     8      2 bits 5,4           bit 4    32 bits   1    6    1  8
    /// ```
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let head: &[u8; 12] = packet.first_chunk()?;
        let damaged = head[1] & 0x80 != 0;
        let has_adaptation_field = head[3] & 0x20 != 0;
        let has_payload = head[3] & 0x10 != 0;
        // Room for the flags and a PCR; without payload the field fills the packet (§2.4.3.5).
        let length = if has_payload { 7..=182 } else { 183..=183 };
        let pid = u16::from_be_bytes([head[1] & 0x1f, head[2]]);
        if head[0] != SYNC
            || damaged
            || pid == NULL_PID
            || !has_adaptation_field
            || !length.contains(&head[4])
            || head[5] & 0x10 == 0
        {
            return None;
        }
        let base = u64::from(u32::from_be_bytes([head[6], head[7], head[8], head[9]])) << 1
            | u64::from(head[10] >> 7);
        let extension = u64::from(u16::from_be_bytes([head[10] & 1, head[11]]));
        (extension < EXTENSION).then_some(Self { pid, ticks: base * EXTENSION + extension })
    }

    /// Whether a transport packet's adaptation field says that the next PCR of
    /// its PID, which may be its own, is of a new time base
    /// (`discontinuity_indicator`, §2.4.3.5).
    pub fn announces_new_base(packet: &[u8; PACKET]) -> bool {
        let undamaged = packet[1] & 0x80 == 0;
        undamaged && packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x80 != 0
    }

    /// Ticks of 27 MHz from this PCR to a `later` one less than 26.5 hours after it.
    pub fn until(self, later: Self) -> u64 {
        if later.ticks >= self.ticks { later.ticks - self.ticks } else { later.ticks + WRAP - self.ticks }
    }
}

/// A transport packet on `pid` that carries `ticks` and nothing else.
#[cfg(test)]
pub(crate) fn packet_with_pcr(pid: u16, ticks: u64) -> [u8; PACKET] {
    let mut packet = [0xff; PACKET];
    let [high, low] = pid.to_be_bytes();
    let field = ((ticks / EXTENSION) << 15) | (0x3f << 9) | (ticks % EXTENSION);
    packet[..6].copy_from_slice(&[SYNC, high, low, 0x20, 183, 0x10]);
    packet[6..12].copy_from_slice(&field.to_be_bytes()[2..]);
    packet
}

/// A transport packet on `pid` with payload only.
#[cfg(test)]
pub(super) fn packet_without_pcr(pid: u16) -> [u8; PACKET] {
    let mut packet = [0x00; PACKET];
    let [high, low] = pid.to_be_bytes();
    packet[..4].copy_from_slice(&[SYNC, high, low, 0x10]);
    packet
}

#[cfg(test)]
mod tests {
    use super::{PACKET, Pcr, SYNC, WRAP, packet_with_pcr};
    use mpeg2ts_reader::packet::Packet;
    use proptest::prelude::*;

    /// What another implementation reads, as far as it reads at all.
    fn reference(bytes: &[u8]) -> Option<Pcr> {
        let packet = Packet::try_new(bytes)?;
        let pcr = packet.adaptation_field()?.pcr().ok()?;
        Some(Pcr { pid: packet.pid().into(), ticks: pcr.base() * 300 + u64::from(pcr.extension()) })
    }

    proptest! {
        #[test]
        fn a_pcr_is_read_as_it_was_written(pid in 0u16..0x1fff, ticks in 0..WRAP) {
            let packet = packet_with_pcr(pid, ticks);
            prop_assert_eq!(Pcr::parse(&packet), Some(Pcr { pid, ticks }));
            prop_assert_eq!(reference(&packet), Some(Pcr { pid, ticks }));
        }

        /// The first octets are mostly those of a packet with a PCR, so that
        /// many cases reach the far end of the parser.
        #[test]
        fn any_octets_are_read_as_another_reader_reads_them(
            bytes in proptest::collection::vec(any::<u8>(), PACKET),
            afc in prop_oneof![Just(0x20u8), Just(0x30), any::<u8>()],
            length in prop_oneof![0u8..12, 178u8..190, any::<u8>()],
            flags in prop_oneof![Just(0x10u8), any::<u8>()],
        ) {
            let mut bytes = bytes;
            bytes[0] = SYNC;
            (bytes[3], bytes[4], bytes[5]) = (afc, length, flags);
            let usable = bytes[1] & 0x80 == 0 && bytes[1..3] != [0x1f, 0xff] && bytes[11] < 44;
            match Pcr::parse(&bytes) {
                Some(pcr) => {
                    prop_assert!(pcr.ticks < WRAP);
                    prop_assert_eq!(reference(&bytes), Some(pcr));
                }
                None if usable => prop_assert_eq!(reference(&bytes), None),
                None => {}
            }
        }

        #[test]
        fn a_cut_packet_has_no_half_pcr(bytes in proptest::collection::vec(any::<u8>(), PACKET), ticks in 0..WRAP) {
            let packet = packet_with_pcr(0x100, ticks);
            for length in 0..PACKET {
                let _any_answer_will_do = Pcr::parse(&bytes[..length]);
                let read = Pcr::parse(&packet[..length]);
                prop_assert_eq!(read.is_some(), length >= 12, "length {}", length);
            }
        }

        #[test]
        fn time_passes_over_the_wrap(from in 0..WRAP, ticks in 0..WRAP) {
            let later = Pcr { pid: 1, ticks: (from + ticks) % WRAP };
            prop_assert_eq!(Pcr { pid: 1, ticks: from }.until(later), ticks);
        }
    }

    #[test]
    fn what_is_no_pcr_is_not_taken_for_one() {
        let cases: [(&str, usize, u8); 9] = [
            ("no sync", 0, 0x46),
            ("transport error", 1, 0x80),
            ("no adaptation field", 3, 0x10),
            ("reserved adaptation field control", 3, 0x00),
            ("adaptation field too short", 4, 6),
            ("adaptation field longer than the packet", 4, 184),
            ("adaptation field shorter than a packet without payload", 4, 182),
            ("no PCR flag", 5, 0xef),
            ("extension of 300 and more", 11, 0xff),
        ];
        let good = packet_with_pcr(0x100, (1 << 20) * 300 + 299);
        assert!(Pcr::parse(&good).is_some());
        for (case, octet, value) in cases {
            let mut packet = good;
            packet[octet] = value;
            assert_eq!(Pcr::parse(&packet), None, "{case}");
        }
        let null = packet_with_pcr(0x1fff, 0);
        assert_eq!(Pcr::parse(&null), None, "null packet");
    }
}
