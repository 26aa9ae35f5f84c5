//! Whether a transport stream has a clock: what its ends look like does not decide it.

use crate::{
    support::{Net, expect::number, media::sample},
    synth::{HERTZ, Synth, programme},
};
use serde_json::Value;

/// Says so on standard error.
const ALIKE: &str = "all timestamps of a play are alike";
/// More than is looked at from either end.
const FAR: usize = 360_000;

fn streamed(net: &Net, path: &str, options: &[&str]) -> (Value, String) {
    let ended = net.stream(&[&[path, "--to", "198.18.0.2:5004"], options].concat()).well();
    (ended.json(), ended.stderr)
}

/// Ticks of 90 kHz from the first packet to the last.
fn lasted(report: &Value) -> u32 {
    number::<u32>(report, "last_timestamp").wrapping_sub(number(report, "first_timestamp"))
}

#[test]
fn pcrs_far_from_the_end_or_with_equal_ends_are_a_clock() {
    let mut nulls = Synth::default();
    nulls.payload(0x1fff, FAR);
    let far = [&sample()[..], &nulls.octets].concat();
    let mut equal = Synth::default();
    equal.octets = programme(2.0, 77, |_| 4e6).0;
    equal.payload(0x100, 50);
    equal.pcr(0x100, 77, false);
    for (case, octets) in [("far from the end", far), ("equal ends", equal.octets)] {
        let net = Net::direct();
        let path = net.krtp.file("a.ts", &octets);
        let path = path.to_str().expect("letters");
        let (report, said) = streamed(&net, path, &["--pace", "none"]);
        assert!(lasted(&report) > 90_000 && !said.contains(ALIKE), "{case}: {report}, {said}");
        let (report, said) = streamed(&net, path, &["--pace", "pcr", "--duration", "0.2"]);
        assert!((15_000..=18_000).contains(&lasted(&report)), "{case}: {report}, {said}");
        net.krtp.run(&net.a, &["prepare", path]).well();
    }
}

/// The remedy that a refusal names works.
#[test]
fn where_no_two_pcrs_give_a_rate_timestamps_stand_still() {
    let mut synth = Synth::default();
    for place in 0..50 {
        synth.pcr(0x100, place * HERTZ / 25, true);
        synth.payload(0x101, 49);
    }
    let net = Net::direct();
    let path = net.krtp.file("a.ts", &synth.octets);
    let path = path.to_str().expect("letters");
    let copies = net.krtp.directory().join("copies").to_str().expect("letters").to_owned();
    for (case, options) in [
        ("the first time", &["--pace", "none"][..]),
        ("with what is known", &["--pace", "none"]),
        ("as a copy that is made", &["--pace", "none", "--cache", &copies]),
        ("as the copy that is there", &["--pace", "none", "--cache", &copies]),
    ] {
        let (report, said) = streamed(&net, path, options);
        assert!(number::<u64>(&report, "packets") > 300, "{case}: {report}");
        assert_eq!((lasted(&report), said.matches(ALIKE).count()), (0, 1), "{case}: {report}, {said}");
    }
    for (case, options, says) in [
        ("paced", &["--pace", "pcr"][..], "--pace none"),
        (
            "paced, though there is a copy without a clock",
            &["--pace", "pcr", "--cache", &copies],
            "--pace none",
        ),
        ("from a time on", &["--pace", "none", "--start", "1"], "--start and --duration need a clock"),
        ("for a time", &["--pace", "none", "--duration", "1"], "--start and --duration need a clock"),
    ] {
        let ended = net.stream(&[&[path, "--to", "198.18.0.2:5004"], options].concat());
        let why = ended.failure();
        assert!(why.contains("has no two PCRs") && why.contains(says), "{case}: {why}");
    }
}

/// Two seconds, and two more as of another file: the map, its PID and that of the PCRs are others.
fn spliced() -> Vec<u8> {
    let mut synth = Synth::default();
    for (map, pid, first) in [(0x1000, 0x100, 5), (0x1100, 0x200, HERTZ)] {
        synth.pat(&[(1, map)]);
        synth.pmt(map, 1, pid);
        for place in 0..50 {
            synth.pcr(pid, first + place * HERTZ / 25, false);
            // The second part comes at twice the rate.
            synth.payload(0x101, if pid == 0x100 { 48 } else { 97 });
        }
    }
    synth.octets
}

/// The timestamps follow the PCRs that the tables name, while a file is read and from its index; a
/// PID that was asked for stays, and that it has no PCRs any more is said once.
#[test]
fn a_clock_that_moves_to_another_pid_is_followed() {
    let net = Net::direct();
    let path = net.krtp.file("a.ts", &spliced());
    let path = path.to_str().expect("letters");
    for case in ["read", "known"] {
        let (report, said) = streamed(&net, path, &["--pace", "none"]);
        assert!((358_000..=362_000).contains(&lasted(&report)), "{case}: {report}, {said}");
        assert!(!said.contains("no PCR on PID"), "{case}: {said}");
        let two = ["--pace", "none", "--pcr-pid", "0x100", "--to", "198.18.0.2:5006"];
        let (report, said) = streamed(&net, path, &two);
        assert!((536_000..=542_000).contains(&lasted(&report)), "{case}: {report}, {said}");
        let line = "a.ts: no PCR on PID 256 (0x100) behind octet ";
        assert_eq!(said.matches(line).count(), 1, "{case}: {said}");
    }
}
