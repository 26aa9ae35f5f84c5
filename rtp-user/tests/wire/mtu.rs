//! Packets as large as the interface takes them, and no larger.

use crate::support::{Capture, Net, Stream, media::noise};

/// The largest payload fits, on interfaces of every common size.
#[test]
fn the_largest_payload() {
    for (mtu, ipv6, payload) in
        [(1500, false, 1460), (1500, true, 1440), (9000, false, 8960), (9000, true, 8940), (576, false, 536)]
    {
        let net = Net::direct();
        for (end, interface) in [(&net.a, "va"), (&net.b, "vb")] {
            end.ip(&["link", "set", interface, "mtu", &mtu.to_string()]);
        }
        let (source, destination) =
            if ipv6 { ("[2001:2::1]:0", "[2001:2::2]:5004") } else { ("198.18.0.1:0", "198.18.0.2:5004") };
        let file = noise(150_000);
        let path = net.krtp.file("noise", &file);
        let address = |text: &str| text.parse().expect("an address");
        let stream = Stream::of_raw(&file, payload, address(source), address(destination));
        let numbers = stream.numbers();
        let fits = payload.to_string();
        let exceeds = (payload + 1).to_string();
        let mut arguments = vec![path.to_str().expect("a name"), "--pace", "none", "--engine", "kernel"];
        arguments.extend(["--pt", "96", "--clock-rate", "90000"]);
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.push("--payload");
        let name = format!("MTU {mtu}, payload {payload} to {destination}");

        let capture = Capture::start(&net.b, "vb", &[5004]);
        let report = net.stream(&[&arguments[..], &[&fits]].concat()).well().json();
        let count = report["packets"].as_u64().expect("a number") as usize;
        let packets = stream.assert_is(&name, &capture.datagrams(stream.destination, count));
        stream.assert_reported(&name, &report, 0, &packets);

        let refused = net.stream(&[&arguments[..], &[&exceeds]].concat());
        let line = refused.failure();
        assert!(line.contains(&format!("--payload {payload}")) && line.contains("va"), "{name}: {line}");
    }
}

/// Seven transport packets do not fit: the line says how many do.
#[test]
fn an_mtu_too_small_for_seven_transport_packets() {
    let net = Net::direct();
    net.a.ip(&["link", "set", "va", "mtu", "1300"]);
    let path = crate::support::media::sample_path();
    let path = path.to_str().expect("a name");
    for engine in ["kernel", "user"] {
        let refused = net.stream(&[path, "--to", "198.18.0.2:5004", "--engine", engine]);
        let line = refused.failure();
        // (1300 - 20 - 8 - 12) / 188 = 6
        assert!(line.contains("MTU 1300 of va") && line.contains("--payload 1128"), "{engine}: {line}");
    }
}
