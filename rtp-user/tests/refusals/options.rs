//! Options that contradict themselves, the file or the host.

use crate::{host::Host, support::audio::Pcm};

#[test]
fn destinations_that_are_none() {
    let host = Host::new();
    let form = "write HOST:PORT, an IPv6 address as [ADDRESS]:PORT";
    let cases: &[(&str, &str, &[&str])] = &[
        ("port 0", "198.18.0.2:0", &["198.18.0.2:0", "port from 1 to 65535"]),
        ("port 0, IPv6", "[2001:2::2]:0", &["[2001:2::2]:0", "port from 1 to 65535"]),
        ("port too large", "198.18.0.2:65536", &["--to 198.18.0.2:65536", "from 1 to 65535"]),
        ("no port", "198.18.0.2", &["--to 198.18.0.2:", form]),
        ("no port after the colon", "198.18.0.2:", &["--to 198.18.0.2::", form]),
        ("no host", ":5004", &["--to :5004:", form]),
        ("a port in words", "198.18.0.2:rtp", &["--to 198.18.0.2:rtp:", form]),
        ("a port with a sign", "198.18.0.2:+5004", &["--to 198.18.0.2:+5004:", form]),
        ("IPv6 without brackets", "2001:2::2:5004", &["--to 2001:2::2:5004:", form]),
        ("IPv6 without port", "[2001:2::2]", &["--to [2001:2::2]:", form]),
        (
            "a name that nobody has",
            "no-such-host.invalid:5004",
            &["--to no-such-host.invalid:5004:", "check the name", "give the host's address"],
        ),
        ("unspecified", "0.0.0.0:5004", &["0.0.0.0:5004 is no destination", "the receiver's address"]),
        ("unspecified, IPv6", "[::]:5004", &["[::]:5004 is no destination", "the receiver's address"]),
        ("broadcast", "198.18.0.255:5004", &["198.18.0.255:5004", "the receiver's own, or a group"]),
        ("the second of two", "198.18.0.2:5004 --to 198.18.0.2:0", &["198.18.0.2:0", "from 1 to 65535"]),
    ];
    for (case, to, says) in cases {
        host.refuses(&[(case, &format!("stream sample.ts --to {to}"), says)]);
    }
}

#[test]
fn sources_that_are_not_to_be_had() {
    let host = Host::new();
    let _taken = host.net.a.inside(|| std::net::UdpSocket::bind("198.18.0.1:5999").expect("a free port"));
    let cases: &[(&str, &str, &[&str])] = &[
        ("not of this host", "--source 198.18.0.77", &["198.18.0.77", "an address of this host"]),
        ("other family", "--source 2001:2::1", &["--source 2001:2::1", "198.18.0.2:5004", "give an IPv4"]),
        ("a group", "--source 224.1.1.1", &["--source 224.1.1.1", "one of this host"]),
        ("taken", "--source 198.18.0.1:5999", &["198.18.0.1:5999", "another program has this port"]),
    ];
    for (case, arguments, says) in cases {
        host.refuses(&[(case, &format!("stream sample.ts --to 198.18.0.2:5004 {arguments}"), says)]);
    }
    host.refuses(&[(
        "not of this host, IPv6",
        "stream sample.ts --to [2001:2::2]:5004 --source 2001:2::77",
        &["[2001:2::77]", "an address of this host"],
    )]);
}

/// Of a stream, of one in a list, and of `attach`.
#[test]
fn a_rate_that_nobody_keeps() {
    let host = Host::new();
    let says: &[&str] = &["--max-rate is kept by fq: give --qdisc fq with it"];
    host.krtp.file("list", b"sample.ts --to 198.18.0.2:5004 --max-rate 6000000\n");
    host.refuses(&[
        ("a stream", "stream sample.ts --to 198.18.0.2:5004 --max-rate 6000000", says),
        ("in a list", "stream --list list", &["list, line 1", says[0]]),
        ("attach", "attach va --max-rate 6000000", says),
    ]);
}

#[test]
fn payloads_and_checksums_that_cannot_be() {
    let host = Host::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("no payload", "--payload 0", &["--payload 0", "give 16 to 65000"]),
        ("too large for any packet", "--payload 65001", &["--payload 65001", "give 16 to 65000"]),
        (
            "too large for the interface",
            "--payload 1504",
            &["1504 octets", "MTU 1500 of va", "--payload 1316"],
        ),
        ("not whole TS packets", "--payload 1400", &["--payload 1400", "sample.ts", "188, such as 1316"]),
        ("less than a TS packet", "--payload 100", &["--payload 100", "sample.ts", "188, such as 188"]),
        (
            "no checksum on IPv6",
            "--checksum zero --to [2001:2::2]:5004",
            &["[2001:2::2]:5004", "--checksum zero is for IPv4 only"],
        ),
    ];
    for (case, arguments, says) in cases {
        host.refuses(&[(case, &format!("stream sample.ts --to 198.18.0.2:5004 {arguments}"), says)]);
    }
}

#[test]
fn packets_that_audio_cannot_have() {
    let host = Host::new();
    let pcm = Pcm::noise(3, 8, 48_000, 480);
    host.krtp.file("a.wav", &pcm.wav());
    host.krtp.file("cut.wav", &pcm.wav()[..5000]);
    let cases: &[(&str, &str, &[&str])] = &[
        ("no audio", "sample.ts --ptime 1", &["sample.ts is not known to be any", "give --payload"]),
        ("samples cut", "a.wav --payload 490", &["samples of a.wav", "a multiple of 24, such as 480"]),
        (
            "too large for the interface",
            "a.wav --ptime 2",
            &["2304 octets", "MTU 1500 of va", "--payload 1440"],
        ),
        ("too large for any packet", "a.wav --ptime 100", &["--ptime 100", "give 56.417 or less"]),
        ("another clock", "a.wav --clock-rate 44100", &["a.wav", "48000 samples a second"]),
        ("another type", "a.wav --pt 10", &["--pt 10", "a.wav, which is L24/48000/8", "96 to 127"]),
        ("cut short", "cut.wav", &["cut.wav", "11520 octets", "ffmpeg -i cut.wav -c copy NEW.wav"]),
    ];
    for (case, arguments, says) in cases {
        host.refuses(&[(case, &format!("stream {arguments} --to 198.18.0.2:5004"), says)]);
    }
}

#[test]
fn mistakes_on_the_command_line() {
    let host = Host::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("payload type", "--pt 128", &["--pt", "0..=127"]),
        ("clock", "--clock-rate 0", &["--clock-rate"]),
        ("time to live", "--ttl 0", &["--ttl", "1..=255"]),
        ("code point", "--dscp 64", &["--dscp", "0..=63"]),
        ("sequence number", "--seq 65536", &["--seq"]),
        ("SSRC", "--ssrc 0x100000000", &["--ssrc", "32 bits"]),
        ("timestamp", "--timestamp soon", &["--timestamp", "32 bits"]),
        ("pace in words", "--pace fast", &["--pace", "pcr, none", "4000000"]),
        ("pace of nothing", "--pace 0", &["--pace", "pcr, none", "4000000"]),
        ("pace with a unit", "--pace 4M", &["--pace", "pcr, none", "4000000"]),
        ("plays of nothing", "--loop 0", &["--loop", "how many times"]),
        ("source", "--source eth0", &["--source", "address of this host"]),
        ("packet time of nothing", "--ptime 0", &["--ptime", "give milliseconds"]),
        ("packet time in words", "--ptime short", &["--ptime", "0.125"]),
        (
            "two sizes of a packet",
            "--ptime 1 --payload 188",
            &["--ptime", "cannot be used with", "--payload"],
        ),
        ("engine", "--engine warp", &["--engine", "auto, kernel, user"]),
        ("checksum", "--checksum half", &["--checksum", "full, zero"]),
        ("too little ahead", "--ahead 5ms", &["--ahead", "20ms to 5s"]),
        ("too far ahead", "--ahead 6", &["--ahead", "20ms to 5s"]),
        (
            "no rate for a flow",
            "--qdisc fq --max-rate 0",
            &["--max-rate", "bits per second, such as 6000000"],
        ),
        ("a rate with a unit", "--qdisc fq --max-rate 6M", &["--max-rate", "bits per second"]),
        ("a rate beyond fq's", "--qdisc fq --max-rate 34359738360", &["--max-rate", "below 34000000000"]),
        ("no burst", "--burst 0", &["--burst", "1..="]),
        ("what to do when late", "--on-late hurry", &["--on-late", "drop, shift, fail"]),
        ("beginning", "--start soon", &["--start", "1:30"]),
        ("no duration", "--duration 0", &["--duration", "above zero"]),
        ("PID of null packets", "--pcr-pid 0x1fff", &["--pcr-pid", "0 to 8190"]),
        ("option", "--fast", &["--fast"]),
    ];
    for (case, arguments, says) in cases {
        let line = format!("stream sample.ts --to 198.18.0.2:5004 {arguments}");
        host.calls_a_mistake(&[(case, &line, says)]);
    }
    host.calls_a_mistake(&[
        ("no destination", "stream sample.ts", &["--to <HOST:PORT>"]),
        ("no file", "stream --to 198.18.0.2:5004", &["<FILES>"]),
        ("no interface", "attach", &["<INTERFACE>"]),
        ("no room for flows", "attach va --flows 0", &["--flows", "1..="]),
        ("no such command", "play sample.ts", &["play"]),
    ]);
}
