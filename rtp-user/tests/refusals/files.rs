//! Files that cannot be streamed.

use crate::{
    host::Host,
    support::{audio::Pcm, media::sample},
};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// Where the files would go.
const TO: &str = "--to 198.18.0.2:5004";
/// A transport stream packet's octets.
const TS: usize = 188;

/// Packets of `ts` with `before` octets in front of each and `after` behind.
fn wrapped(ts: &[u8], before: usize, after: usize) -> Vec<u8> {
    ts.chunks(TS).flat_map(|packet| [&vec![0; before], packet, &vec![0; after]].concat()).collect()
}

/// `packets` null packets (ISO/IEC 13818-1 §2.4.1): no PCR in any.
fn without_pcr(packets: usize) -> Vec<u8> {
    [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; TS - 4]].concat().repeat(packets)
}

fn host_with_files() -> Host {
    let host = Host::new();
    let ts = &sample()[..100 * TS];
    for (name, octets) in [
        ("empty.ts", &[][..]),
        ("truncated.ts", &ts[..99 * TS + 57]),
        ("noise.bin", &[7; 5000]),
        ("film.m2ts", &wrapped(ts, 4, 0)),
        ("dvb.ts", &wrapped(ts, 0, 16)),
        ("late.ts", &[&[0; 50], ts].concat()),
        ("nopcr.ts", &without_pcr(100)),
    ] {
        host.krtp.file(name, octets);
    }
    fs::create_dir(host.krtp.directory().join("films")).expect("our directory");
    let fifo = host.krtp.directory().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, fifo, 0o600.into()).expect("our directory");
    host
}

#[test]
fn what_is_no_file_or_no_transport_stream() {
    let host = host_with_files();
    let say = "say what it is with --pt, --clock-rate and --payload";
    let cases: &[(&str, &str, &[&str])] = &[
        ("no such file", "gone.ts", &["gone.ts: no such file", "check the name"]),
        ("no such directory", "gone/a.ts", &["gone/a.ts: no such file", "check the name"]),
        ("empty file", "empty.ts", &["empty.ts is empty", "name a file with content"]),
        ("directory", "films", &["films is a directory", "name a file in it"]),
        ("fifo", "fifo", &["fifo is a named pipe", "regular file"]),
        ("device", "/dev/zero", &["/dev/zero is a device", "regular file"]),
        ("truncated", "truncated.ts", &["truncated.ts is a truncated", "`truncate -s 18612 truncated.ts`"]),
        ("not TS", "noise.bin", &["noise.bin is not an MPEG transport stream", say]),
        ("not TS, type said", "noise.bin --pt 96", &["noise.bin is not", say]),
        ("not TS, type and clock said", "noise.bin --pt 96 --clock-rate 8000", &["noise.bin is not", say]),
        ("not TS, type and payload said", "noise.bin --pt 96 --payload 160", &["noise.bin is not", say]),
        ("192-octet packets", "film.m2ts", &["film.m2ts is not", "M2TS", "`ffmpeg -i film.m2ts"]),
        ("204-octet packets", "dvb.ts", &["dvb.ts is not", "204 octets", "`ffmpeg -i dvb.ts"]),
        ("something before", "late.ts", &["late.ts is not", "`tail -c +51 late.ts"]),
        ("no PCR", "nopcr.ts --pace pcr", &["nopcr.ts has no two PCRs", "--pace 4000000", "--pace none"]),
        (
            "no PCR in what is not TS",
            "noise.bin --pt 96 --clock-rate 8000 --payload 160",
            &["noise.bin has no two PCRs", "--pace 4000000", "--pace none"],
        ),
    ];
    for (case, file, says) in cases {
        host.refuses(&[(case, &format!("stream {file} {TO}"), says)]);
    }
}

/// RTP would count the rate, and not the samples.
#[test]
fn a_bit_rate_for_audio() {
    let host = Host::new();
    let pcm = Pcm::noise(2, 2, 48_000, 4800);
    host.krtp.file("a.wav", &pcm.wav());
    host.krtp.file("a.raw", &pcm.samples);
    let says = |start| [start, "leave --pace out, or give --pace none"];
    let wav =
        says("--pace 3072000 is not for audio, and a.wav is: it goes by its own 48000 samples a second");
    let raw = says("--pace 64000 is not for audio, and a.raw is: it goes by its own 8000 samples a second");
    host.refuses(&[
        ("streamed", &format!("stream a.wav {TO} --pace 3072000"), &wav),
        ("streamed without a header", &format!("stream a.raw {TO} --pt 0 --pace 64000"), &raw),
        ("prepared", "prepare a.wav --pace 3072000", &wav),
        ("prepared for a stream", &format!("stream a.wav {TO} --cache copies --pace 3072000"), &wav),
    ]);
    host.run(&format!("stream a.wav {TO} --pace none")).well();
}

#[test]
fn a_file_that_only_others_may_read() {
    let mut host = Host::new();
    let file = host.krtp.file("private.ts", &sample());
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("our file");
    host.without_privilege();
    let says: &[&str] = &["private.ts: permission denied", "readable for this user"];
    host.refuses(&[("unreadable", &format!("stream private.ts {TO}"), says)]);
}

#[test]
fn session_descriptions_that_cannot_be_written() {
    let host = host_with_files();
    let noise = "noise.bin --pt 96 --clock-rate 8000 --payload 160 --pace none";
    host.refuses(&[
        (
            "no such directory",
            &format!("stream sample.ts {TO} --pace none --sdp gone/a.sdp"),
            &["cannot write the session description gone/a.sdp"],
        ),
        (
            "payload without a name",
            &format!("stream {noise} {TO} --sdp a.sdp"),
            &["payload type 96 at 8000 Hz", "leave --sdp out"],
        ),
        (
            "nothing to describe",
            &format!("stream sample.ts {TO} --start 1:00:00 --sdp a.sdp --engine user"),
            &["sample.ts ends before --start"],
        ),
    ]);
    assert!(!host.krtp.directory().join("a.sdp").exists(), "a description of what is not sent");
}
