//! What user space tells the program, and what the program counts apart from
//! the streams.

use super::frame::Key;
use bytemuck::{Pod, Zeroable};

/// The one entry of the map `SETTINGS`, written before the program is attached.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Settings {
    /// One: drop what is followed. Zero: pass everything.
    pub drop: u32,
    /// One: only the destination ports in `ports`. Zero: any.
    pub by_port: u32,
    /// One: only streams of `ssrc`. Zero: any.
    pub by_ssrc: u32,
    /// See `by_ssrc`; host order.
    pub ssrc: u32,
    /// How many streams there is room for.
    pub streams: u32,
    /// Largest IP packet, octets (the interface's MTU). What is longer is a batch that
    /// nobody has cut into packets yet.
    pub longest: u32,
    /// Clock rate by payload type, Hz; zero: not known.
    pub clock_rates: [u32; 128],
    /// Destination ports to follow, a bit each.
    pub ports: [u64; 1024],
}

impl Settings {
    /// Whether packets with this key are to be followed.
    #[inline(always)]
    pub fn follow(&self, key: &Key) -> bool {
        (self.by_ssrc == 0 || key.ssrc == self.ssrc)
            && (self.by_port == 0 || self.has_port(key.destination_port))
    }

    #[inline(always)]
    fn has_port(&self, port: u16) -> bool {
        self.ports[usize::from(port >> 6)] & (1 << (port & 63)) != 0
    }

    /// Follow `port`, too.
    pub fn add_port(&mut self, port: u16) {
        self.by_port = 1;
        self.ports[usize::from(port >> 6)] |= 1 << (port & 63);
    }
}

/// The one entry of the map `TOTALS`, shared by all CPUs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Totals {
    /// Places in `STREAMS` given out. Beyond their number: how often there was none.
    pub places: u64,
    /// Packets of streams for which there was no place.
    pub no_place: u64,
    /// Batches that came whole ([`Settings::longest`]), not followed.
    pub batches: u64,
    /// Packets whose stream another CPU was busy with for too long, not counted in it.
    pub busy: u64,
}

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, integers only, no implicit padding (bytemuck's derive of
// `Pod` would not compile otherwise).
unsafe impl aya::Pod for Settings {}

#[cfg(feature = "user")]
// SAFETY: as above.
unsafe impl aya::Pod for Totals {}

#[cfg(test)]
mod tests {
    use super::{Key, Settings};
    use bytemuck::Zeroable as _;

    /// Name, settings, destination port, SSRC, whether such a packet is followed.
    type Case<'a> = (&'a str, &'a dyn Fn() -> Settings, u16, u32, bool);

    #[test]
    fn filters_narrow_what_is_followed() {
        let any = Settings::zeroed;
        let ports = || {
            let mut settings = any();
            settings.add_port(5004);
            settings.add_port(65_535);
            settings
        };
        let ssrc = || Settings { by_ssrc: 1, ssrc: 7, ..any() };
        let both = || Settings { by_ssrc: 1, ssrc: 7, ..ports() };
        let cases: &[Case] = &[
            ("nothing asked for", &any, 9, 9, true),
            ("its port", &ports, 5004, 9, true),
            ("the last port", &ports, 65_535, 9, true),
            ("a neighbour's port", &ports, 5005, 9, false),
            ("the same bit of another word", &ports, 5004 + 64, 9, false),
            ("its SSRC", &ssrc, 9, 7, true),
            ("another SSRC", &ssrc, 9, 8, false),
            ("both", &both, 5004, 7, true),
            ("one of both", &both, 5004, 8, false),
        ];
        for (case, settings, destination_port, ssrc, follow) in cases {
            let key = Key { destination_port: *destination_port, ssrc: *ssrc, ..Key::default() };
            assert_eq!(settings().follow(&key), *follow, "{case}");
        }
    }
}
