//! Several destinations at once, and groups.

use crate::support::{
    Capture, Net, Stream,
    media::{sample, sample_path},
};

/// One flow each, also through different interfaces.
fn to_several(engine: &str) {
    let net = Net::resolving();
    net.add_second();
    if engine == "user" {
        // No hop resolves offloads on the second cable.
        net.a.offload("va2", &["tx", "off"]);
    }
    let file = sample();
    let streams = [
        Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5004"),
        Stream { ssrc: None, ..Stream::of_ts(&file, "198.18.0.1:0", "198.18.0.2:5006") },
        Stream { ssrc: None, ..Stream::of_ts(&file, "198.18.2.1:0", "198.18.2.2:5004") },
        Stream { ssrc: None, ..Stream::of_ts(&file, "[2001:2::1]:0", "[2001:2::2]:5004") },
    ];
    let others = streams[1..].iter().map(|stream| format!("--to={}", stream.destination));
    let others: Vec<String> = others.collect();
    let mut options = vec!["--pace", "none", "--engine", engine];
    options.extend(others.iter().map(String::as_str));
    let captures = [Capture::start(&net.b, "vb", &[5004, 5006]), Capture::start(&net.b, "vb2", &[])];
    let report = streams[0].start(&net, &sample_path(), &options).wait().well().json();
    let mut ssrcs = Vec::new();
    for (flow, stream) in streams.iter().enumerate() {
        let name = format!("{engine}: flow {flow} to {}", stream.destination);
        let on_second = usize::from(stream.source.ip().to_string() == "198.18.2.1");
        let packets = stream.arrives(&name, &captures[on_second], &report, flow);
        assert_eq!(report["flows"][flow]["flow_interface"], ["va", "va2"][on_second], "{name}");
        ssrcs.push(packets[0].ssrc);
    }
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), streams.len(), "{engine}: every flow has an SSRC of its own");
    let destinations = report["destinations"].as_array().expect("a list");
    assert_eq!(destinations.len(), streams.len(), "{report}");
}

#[test]
fn the_kernel_engine_sends_to_several() {
    to_several("kernel");
}

#[test]
fn the_user_engine_sends_to_several() {
    to_several("user");
}

/// To a group; `ttl` is the multicast default unless asked for.
fn to_group(engine: &str, source: &str, group: &str, ttl: Option<u8>) {
    let net = Net::resolving();
    let file = sample();
    let stream = Stream { ttl: ttl.unwrap_or(1), ..Stream::of_ts(&file, source, group) };
    let words = ttl.map(|ttl| format!("--ttl={ttl}"));
    let mut options = vec!["--pace", "none", "--engine", engine, "--iface", "va"];
    options.extend(words.as_deref());
    let capture = Capture::start(&net.b, "vb", &[]);
    stream.send(&format!("{engine} to {group}"), &net, &sample_path(), &options, &capture);
}

#[test]
fn groups_of_ipv4() {
    to_group("kernel", "198.18.0.1:0", "239.1.2.3:5004", None);
    to_group("user", "198.18.0.1:0", "239.1.2.3:5004", Some(16));
}

#[test]
fn groups_of_ipv6() {
    // Of IPv6 the host's own address for the scope is the kernel's choice
    // (RFC 6724): there is one of each scope, and the global one fits ff15.
    to_group("kernel", "[2001:2::1]:0", "[ff15::1234]:5004", Some(5));
    to_group("user", "[2001:2::1]:0", "[ff15::1234]:5004", None);
}
