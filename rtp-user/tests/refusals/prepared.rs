//! What prepared files cannot do, and such as are not fit to be sent.

use crate::{
    host::Host,
    support::{audio::Pcm, media::sample},
};
use std::fs;

#[test]
fn options_that_would_need_other_headers() {
    let host = Host::new();
    host.run("prepare sample.ts -o a.krtp --ssrc 0x1 --seq 2 --timestamp 3").well();
    let anew = "`krtp prepare /";
    let cases: &[(&str, &str, &[&str])] = &[
        ("loop", "--loop", &["a.krtp", "--loop", "without --cache"]),
        ("kernel engine", "--engine kernel", &["a.krtp", "leave --engine out"]),
        ("user engine", "--engine user", &["a.krtp", "leave --engine out"]),
        ("two files", "sample.ts", &["a.krtp", "stream the files apart"]),
        ("SSRC", "--ssrc 2", &["--ssrc would change the headers of a.krtp", anew, "sample.ts --ssrc"]),
        ("sequence", "--seq 3", &["--seq would change", anew]),
        ("timestamp", "--timestamp 4", &["--timestamp would change", anew]),
        ("type", "--pt 96", &["--pt would change", anew]),
        ("clock rate", "--clock-rate 8000", &["--clock-rate would change", anew]),
        ("payload", "--payload 188", &["--payload would change", anew]),
        ("packet time", "--ptime 1", &["--ptime would change", anew]),
        ("PID", "--pcr-pid 7", &["--pcr-pid would change", anew]),
        ("rate", "--pace 4000000", &["--pace BITRATE would change", anew]),
    ];
    for (case, arguments, says) in cases {
        host.refuses(&[(case, &format!("stream a.krtp --to 198.18.0.2:5004 {arguments}"), says)]);
    }
    let cached = "stream sample.ts --to 198.18.0.2:5004 --cache copies";
    host.refuses(&[
        ("loop of a cached copy", &format!("{cached} --loop"), &["sample.ts", "without --cache"]),
        (
            "SSRC of a cached copy",
            &format!("{cached} --ssrc 1"),
            &["--ssrc", "krtp prepare sample.ts --ssrc"],
        ),
    ]);
    // What is in it may be said.
    host.run("stream a.krtp --to 198.18.0.2:5004 --pace none --ssrc 1 --seq 2 --timestamp 3 --pt 33").well();
}

/// A packet time stands for the nearest number of samples.
#[test]
fn a_packet_time_that_a_copy_has_or_has_not() {
    let host = Host::new();
    host.krtp.file("a.wav", &Pcm::noise(2, 2, 48_000, 4800).wav());
    host.run("prepare a.wav --ptime 0.33").well();
    let play = |ptime| format!("stream a.wav.krtp --to 198.18.0.2:5004 --pace none --ptime {ptime}");
    for ptime in ["0.33", "0.333", "0.3333"] {
        host.run(&play(ptime)).well();
    }
    let says = &["--ptime would change the headers of a.wav.krtp"][..];
    host.refuses(&[("a sample more", &play("0.35"), says), ("another", &play("1"), says)]);
}

#[test]
fn copies_that_are_stale_or_damaged() {
    let host = Host::new();
    let file = host.krtp.file("a.ts", &sample());
    host.run("prepare a.ts").well();
    let copy = host.krtp.directory().join("a.ts.krtp");
    let mut octets = fs::read(&copy).expect("it was made");
    octets[5000] ^= 1;
    fs::write(host.krtp.directory().join("b.krtp"), &octets).expect("ours");
    let play = |name: &str| format!("stream {name} --to 198.18.0.2:5004 --pace none");
    let ended = host.run(&play("b.krtp"));
    assert!(
        ended.failure().starts_with("b.krtp is damaged: octets 4096 to 1052671 are not as they were written"),
        "{ended:?}"
    );
    assert!(ended.stdout.starts_with("failed after 0 packets"), "{ended:?}");
    fs::write(host.krtp.directory().join("c.krtp"), &octets[..9000]).expect("ours");
    fs::write(file, &sample()[188 * 7..]).expect("ours");
    host.refuses(&[
        ("cut short", &play("c.krtp"), &["c.krtp is damaged", "9000 octets", "krtp prepare"]),
        (
            "stale",
            &play("a.ts.krtp"),
            &["a.ts.krtp is a copy of what", "before it changed", "krtp prepare /"],
        ),
        ("stale, checked", "prepare --check a.ts.krtp", &["before it changed"]),
        ("damaged, checked", "prepare --check c.krtp", &["c.krtp is damaged"]),
        ("no copy", "prepare --check sample.ts", &["sample.ts is no prepared file"]),
        ("over a film", "prepare sample.ts -o a.ts", &["a.ts is there and no prepared file", "-o"]),
        ("nothing to prepare", "prepare gone.ts", &["gone.ts: no such file"]),
        ("a copy of a copy", "prepare a.ts.krtp -o d.krtp", &["a.ts.krtp is prepared already"]),
    ]);
}
