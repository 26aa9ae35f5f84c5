//! Files and payloads of every awkward size.

use crate::support::{Capture, Net, Stream, media::noise};

/// Sends `file` in payloads of `payload` octets, and sees that it came.
#[track_caller]
fn send(net: &Net, engine: &str, (source, destination): (&str, &str), file: &[u8], payload: usize) {
    let name = format!("{engine} engine to {destination}, {} octets by {payload}", file.len());
    let path = net.krtp.file("noise", file);
    let address = |text: &str| text.parse().expect("an address");
    let stream = Stream::of_raw(file, payload, address(source), address(destination));
    let payload = payload.to_string();
    let shape = ["--pt", "96", "--clock-rate", "90000", "--payload", &payload];
    let options = [&shape[..], &["--pace", "none", "--engine", engine]].concat();
    let capture = Capture::start(&net.b, "vb", &[5004]);
    let report = stream.send(&name, net, &path, &options, &capture);
    assert_eq!(report["engine"], engine, "{name}");
}

const IPV4: (&str, &str) = ("198.18.0.1:0", "198.18.0.2:5004");
const IPV6: (&str, &str) = ("[2001:2::1]:0", "[2001:2::2]:5004");

#[test]
fn odd_payloads() {
    let net = Net::resolving();
    let file = noise(200_001);
    for (engine, addresses) in [("kernel", IPV4), ("kernel", IPV6), ("user", IPV4), ("user", IPV6)] {
        for payload in [1315, 1417, 1440] {
            send(&net, engine, addresses, &file, payload);
        }
    }
}

/// The last packet is shorter than what the program takes in hand of a payload.
#[test]
fn tails_of_one_to_nine_octets() {
    let net = Net::resolving();
    let file = noise(70 * 1315 + 9);
    for tail in 1..=9 {
        send(&net, "kernel", IPV4, &file[..70 * 1315 + tail], 1315);
    }
    for (engine, addresses) in [("kernel", IPV6), ("user", IPV4)] {
        for tail in [1, 7, 8] {
            send(&net, engine, addresses, &file[..70 * 1315 + tail], 1315);
        }
    }
}

#[test]
fn the_smallest_payload() {
    let net = Net::resolving();
    let file = noise(16 * 1500 + 3);
    for (engine, addresses) in [("kernel", IPV4), ("kernel", IPV6), ("user", IPV4)] {
        send(&net, engine, addresses, &file, 16);
    }
}

#[test]
fn tiny_files() {
    let net = Net::resolving();
    let file = noise(2641);
    for length in [1, 7, 8, 9, 1315, 1316, 1317, 1323, 1324, 2632, 2633, 2641] {
        send(&net, "kernel", IPV4, &file[..length], 1316);
    }
    for length in [1, 7, 8, 1317] {
        send(&net, "user", IPV4, &file[..length], 1316);
    }
}

/// What is too long for the kernel engine goes by the other, and says why.
#[test]
fn the_longest_payload() {
    let net = Net::direct();
    let file = noise(16_000 * 5);
    let path = net.krtp.file("noise", &file);
    let address = |text: &str| text.parse().expect("an address");
    let shape = ["--pt", "96", "--clock-rate", "90000", "--pace", "none"];
    for (ip, payload) in [("127.0.0.1", 15_800), ("[::1]", 15_800)] {
        let source = address(&format!("{ip}:0"));
        let stream = Stream::of_raw(&file, payload, source, address(&format!("{ip}:5004")));
        let payload = payload.to_string();
        let options = [&shape[..], &["--engine", "kernel", "--payload", &payload]].concat();
        let capture = Capture::start(&net.a, "lo", &[5004]);
        stream.send(ip, &net, &path, &options, &capture);
    }
    let arguments = [path.to_str().expect("a name"), "--to", "127.0.0.1:5004", "--payload", "15801"];
    let arguments = [&arguments[..], &shape].concat();
    let report = net.stream(&arguments).well().json();
    assert_eq!(report["engine"], "user");
    assert!(
        report["path"].as_str().is_some_and(|path| path.contains("15801 octets is too long")),
        "{report}"
    );
    let refused = net.stream(&[&arguments[..], &["--engine", "kernel"]].concat());
    assert!(refused.failure().contains("15801 octets is too long"), "{refused:?}");
}
