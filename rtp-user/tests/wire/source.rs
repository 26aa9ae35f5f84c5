//! Two uplinks and a rule that says which one a source address takes (`ip rule
//! from`): packets leave through that one, whatever the main table says.

use crate::support::{
    Capture, Net, Stream,
    media::{sample, sample_path},
};

/// A second cable with IPv6 as well, and at the receiver's an address that each
/// cable leads to: the first by the main table, the second for its own addresses.
fn two_uplinks() -> Net {
    let net = Net::direct();
    net.add_second();
    net.a.ip_all(&[
        "address add 2001:2:0:2::1/64 dev va2 nodad",
        "route add 198.18.9.2 via 198.18.0.2",
        "route add 2001:2:0:9::2 via 2001:2::2",
        "rule add from 198.18.2.1 lookup 100",
    ]);
    // A batch of `ip` takes the family of a route from its address, but not a rule's.
    net.a.ip(&["-6", "rule", "add", "from", "2001:2:0:2::1", "lookup", "100"]);
    net.b.ip_all(&[
        "address add 2001:2:0:2::2/64 dev vb2 nodad",
        "address add 198.18.9.2/32 dev lo",
        "address add 2001:2:0:9::2/128 dev lo nodad",
    ]);
    net
}

fn add_routes(net: &Net) {
    net.a.ip_all(&[
        "route add 198.18.9.2 via 198.18.2.2 table 100",
        "route add 2001:2:0:9::2 via 2001:2:0:2::2 table 100",
    ]);
}

const WAYS: [(&str, &str); 2] =
    [("198.18.2.1:0", "198.18.9.2:5004"), ("[2001:2:0:2::1]:0", "[2001:2:0:9::2]:5004")];

#[test]
fn packets_take_the_uplink_of_their_source() {
    let net = two_uplinks();
    add_routes(&net);
    let file = sample();
    for engine in ["kernel", "user"] {
        if engine == "user" {
            // Its batches would come whole, and without checksums.
            net.a.offload("va2", &["tx", "off", "gso", "off"]);
        }
        for (source, destination) in WAYS {
            let name = format!("{engine} engine from {source}");
            let stream = Stream::of_ts(&file, source, destination);
            let captures = ["vb", "vb2"].map(|end| Capture::start(&net.b, end, &[5004]));
            let options = ["--pace", "none", "--engine", engine, "--source", source];
            let report = stream.send(&name, &net, &sample_path(), &options, &captures[1]);
            assert_eq!(report["interface"], "va2", "{name}: {report}");
            assert_eq!(captures[0].so_far(stream.destination), [], "{name}: left through the other uplink");
        }
    }
}

/// Rules look on in the next table where theirs has no route.
#[test]
fn packets_take_the_next_table_s_route_where_theirs_has_none() {
    let net = two_uplinks();
    let file = sample();
    for (source, destination) in WAYS {
        let stream = Stream::of_ts(&file, source, destination);
        let capture = Capture::start(&net.b, "vb", &[5004]);
        let options = ["--pace", "none", "--engine", "kernel", "--source", source];
        let report = stream.send(source, &net, &sample_path(), &options, &capture);
        assert_eq!(report["interface"], "va", "{source}: {report}");
    }
}
