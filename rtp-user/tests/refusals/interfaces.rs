//! Interfaces that are not there, down, or too narrow.

use crate::host::Host;

#[test]
fn an_interface_that_is_not_there() {
    let host = Host::new();
    for name in ["nope0", "../va", "a-name-longer-than-any-interface-has"] {
        let says: &[&str] = &[&format!("there is no interface {name}"), "see `ip link`"];
        for line in [
            format!("stream sample.ts --to 198.18.0.2:5004 --iface {name}"),
            format!("attach {name}"),
            format!("detach {name}"),
            format!("doctor {name}"),
        ] {
            host.refuses(&[(&line, &line, says)]);
        }
    }
    let says: &[&str] = &["va is not attached", "nothing to detach"];
    host.refuses(&[("there, but not attached", "detach va", says)]);
}

#[test]
fn an_interface_that_is_down() {
    let host = Host::new();
    let lines = [
        "stream sample.ts --to 198.18.0.2:5004 --iface va",
        "stream sample.ts --to 224.1.1.1:5004 --iface va",
    ];
    host.net.a.ip(&["link", "set", "va", "down"]);
    for line in lines {
        host.refuses(&[("down", line, &["interface va is down", "ip link set va up"])]);
    }
    // The kernel takes its routes away.
    let says: &[&str] = &["no route to 198.18.0.2", "--iface"];
    host.refuses(&[("down and not named", "stream sample.ts --to 198.18.0.2:5004", says)]);

    host.net.a.ip(&["link", "set", "va", "up"]);
    host.net.b.ip(&["link", "set", "vb", "down"]);
    for line in lines {
        host.refuses(&[("other end down", line, &["interface va has no carrier", "check the cable"])]);
    }
}

#[test]
fn an_interface_that_is_too_narrow() {
    let host = Host::new();
    host.krtp.file("noise.bin", &[7; 5000]);
    let raw = "noise.bin --pt 96 --clock-rate 8000 --pace none";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // 1280 − 40 − 8 − 12 = 1220: six TS packets.
        ("1280", "sample.ts", "[2001:2::2]:5004", &["MTU 1280 of va", "[2001:2::2]:5004", "--payload 1128"]),
        // 600 − 20 − 8 − 12 = 560: two TS packets.
        ("600", "sample.ts", "198.18.0.2:5004", &["MTU 600 of va", "198.18.0.2:5004", "--payload 376"]),
        ("600", &format!("{raw} --payload 561"), "198.18.0.2:5004", &["MTU 600 of va", "--payload 560"]),
        ("200", "sample.ts", "198.18.0.2:5004", &["MTU 200 of va", "too small", "ip link set va mtu 1356"]),
    ];
    for (mtu, file, to, says) in cases {
        host.net.a.ip(&["link", "set", "va", "mtu", mtu]);
        for engine in ["kernel", "user"] {
            let line = format!("stream {file} --to {to} --engine {engine}");
            host.refuses(&[(&format!("MTU {mtu}, {file}, {engine} engine"), &line, says)]);
        }
    }
    // What is said to fit does.
    host.net.a.ip(&["link", "set", "va", "mtu", "600"]);
    for engine in ["kernel", "user"] {
        let file = format!("{raw} --payload 560 --engine {engine}");
        host.run(&format!("stream {file} --to 198.18.0.2:5004")).well();
    }
}
