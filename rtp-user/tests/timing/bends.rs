//! Clocks that bend, wrap and jump, against a calculation of this test's own:
//! from what the file was made to say, not from what a reader finds in it.

use crate::{
    support::{Capture, Net, expect::number, packet::Rtp, slowness},
    synth::{Synth, programme},
};

const HERTZ: u64 = 27_000_000;
const WRAP: u64 = (1 << 33) * 300;
const PAYLOAD: usize = 1316;
const TIMESTAMP: u32 = 0xffff_0000;

/// A file, and what each PCR's octet is on its clock: ticks since the first.
struct Film {
    name: &'static str,
    octets: Vec<u8>,
    pcrs: Vec<(u64, u64)>,
    options: &'static [&'static str],
}

impl Film {
    /// Seconds from the beginning of the file to `octet`, evenly from PCR to PCR.
    fn seconds(&self, octet: u64) -> f64 {
        let line = |octet: u64| {
            let (from, to) = self
                .pcrs
                .windows(2)
                .map(|pair| (pair[0], pair[1]))
                .find(|(_, to)| octet < to.0)
                .unwrap_or((self.pcrs[self.pcrs.len() - 2], self.pcrs[self.pcrs.len() - 1]));
            let slope = (to.1 as f64 - from.1 as f64) / (to.0 as f64 - from.0 as f64);
            from.1 as f64 + (octet as f64 - from.0 as f64) * slope
        };
        (line(octet) - line(0)) / HERTZ as f64
    }
}

fn films() -> Vec<Film> {
    let film = |name, (octets, pcrs)| Film { name, octets, pcrs, options: &[] };
    let bent = |time: f64| 1e6 + 5e6 * (time * 4.0).sin().powi(2);
    vec![
        film("a PCR that wraps", programme(1.5, WRAP - HERTZ / 2, |_| 3e6)),
        film("a variable rate", programme(2.0, 0, bent)),
        two_programmes(0x100, &[]),
        two_programmes(0x200, &["--pcr-pid", "0x200"]),
        jump(true),
        jump(false),
    ]
}

/// Two programmes, the second's clock at twice the first's speed, and the
/// times of the one whose PCRs are on `pid`.
fn two_programmes(pid: u16, options: &'static [&'static str]) -> Film {
    let mut synth = Synth::default();
    synth.pat(&[(1, 0x1000), (2, 0x2000)]);
    synth.pmt(0x1000, 1, 0x100);
    synth.pmt(0x2000, 2, 0x200);
    let mut pcrs = Vec::new();
    for turn in 0..40 {
        for (on, speed) in [(0x100, 1), (0x200, 2)] {
            let ticks = turn * HERTZ / 25 * speed;
            let octet = synth.pcr(on, 5 * HERTZ + ticks, false);
            if on == pid {
                pcrs.push((octet, ticks));
            }
            synth.payload(on, 60);
        }
    }
    Film { name: "two programmes", octets: synth.octets, pcrs, options }
}

/// A splice in the middle: the clock begins anew, said or not. The span up to
/// the first PCR behind it lasts as if the rate before went on.
fn jump(said: bool) -> Film {
    let (first, mut pcrs) = programme(1.0, 1000 * HERTZ, |_| 3e6);
    let mut synth = Synth::default();
    synth.octets = first;
    let (from, to) = (pcrs[pcrs.len() - 2], pcrs[pcrs.len() - 1]);
    let slope = |octets: u64| octets * (to.1 - from.1) / (to.0 - from.0);
    let mut time = 0;
    for turn in 0..30 {
        let octet = synth.pcr(0x100, 7 * HERTZ + turn * HERTZ / 25, said && turn == 0);
        if turn == 0 {
            time = to.1 + slope(octet - to.0);
        }
        pcrs.push((octet, time + turn * HERTZ / 25));
        synth.payload(0x100, 90);
    }
    Film {
        name: if said { "a jump that is flagged" } else { "a jump that is not" },
        octets: synth.octets,
        pcrs,
        options: &[],
    }
}

/// Plays `film` and compares each packet's timestamp with its octet's time.
fn plays_right(net: &Net, film: &Film, engine: &str) {
    let name = format!("{}, {engine} engine", film.name);
    let path = net.krtp.file("film.ts", &film.octets);
    let destination = "198.18.0.2:5004".parse().expect("an address");
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let timestamp = TIMESTAMP.to_string();
    let arguments = [path.to_str().expect("a name"), "--to", "198.18.0.2:5004", "--engine", engine];
    let arguments =
        [&arguments[..], &["--timestamp", &timestamp, "--max-late", "1:00"], film.options].concat();
    let report = net.stream(&arguments).well().json();
    let expected = film.octets.len().div_ceil(PAYLOAD);
    assert_eq!(number::<usize>(&report, "packets"), expected, "{name}: {report}");
    let datagrams = capture.datagrams(destination, expected);
    let begun = datagrams[0].at;
    let mut lateness = Vec::new();
    for (packet, datagram) in datagrams.iter().enumerate() {
        let rtp: Rtp = datagram.rtp().unwrap_or_else(|error| panic!("{name}: packet {packet}: {error}"));
        let payload = &film.octets[packet * PAYLOAD..film.octets.len().min((packet + 1) * PAYLOAD)];
        assert!(rtp.payload == payload, "{name}: the payload of packet {packet} is not the file's");
        let octet = (packet * PAYLOAD) as u64;
        // What follows the last PCR is krtp's to say.
        if film.pcrs.last().is_some_and(|last| octet > last.0) {
            continue;
        }
        let due = film.seconds(octet);
        // Half a microsecond of tolerance for PCRs (ISO/IEC 13818-1 §2.4.2.2), and whole ticks.
        let off = f64::from(rtp.timestamp.wrapping_sub(TIMESTAMP)) - due * 90_000.0;
        assert!(off.abs() < 1.1, "{name}: packet {packet}: the timestamp is off by {off} ticks");
        lateness.push((datagram.at - begun).as_secs_f64() - due);
    }
    lateness.sort_by(f64::total_cmp);
    let half = lateness[lateness.len() / 2] - lateness[lateness.len() / 4];
    assert!(
        half < 0.5 * f64::from(slowness()),
        "{name}: a quarter of the packets are {half} s from the half"
    );
}

#[test]
fn packets_keep_to_any_clock() {
    let net = Net::resolving();
    for film in films() {
        plays_right(&net, &film, "kernel");
        plays_right(&net, &film, "user");
    }
}
