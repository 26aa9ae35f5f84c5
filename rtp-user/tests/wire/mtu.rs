//! Packets as large as the interface takes them, and no larger.

use crate::support::{
    Capture, Net, Stream,
    media::{noise, sample_path},
};

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
        let name = format!("MTU {mtu}, payload {payload} to {destination}");
        let [fits, exceeds] = [payload, payload + 1].map(|octets| format!("--payload={octets}"));
        let options = ["--pt", "96", "--clock-rate", "90000", "--pace", "none", "--engine", "kernel"];

        let capture = Capture::start(&net.b, "vb", &[5004]);
        stream.send(&name, &net, &path, &[&options[..], &[&fits]].concat(), &capture);

        let refused = stream.start(&net, &path, &[&options[..], &[&exceeds]].concat()).wait();
        let line = refused.failure();
        assert!(line.contains(&format!("--payload {payload}")) && line.contains("va"), "{name}: {line}");
    }
}

/// Seven transport packets do not fit: the line says how many do.
#[test]
fn an_mtu_too_small_for_seven_transport_packets() {
    let net = Net::direct();
    net.a.ip(&["link", "set", "va", "mtu", "1300"]);
    let path = sample_path();
    let path = path.to_str().expect("a name");
    for engine in ["kernel", "user"] {
        let refused = net.stream(&[path, "--to", "198.18.0.2:5004", "--engine", engine]);
        let line = refused.failure();
        // (1300 - 20 - 8 - 12) / 188 = 6
        assert!(line.contains("MTU 1300 of va") && line.contains("--payload 1128"), "{engine}: {line}");
    }
}
