//! Destinations that the host cannot reach.

use crate::host::Host;

#[test]
fn destinations_without_a_way() {
    let host = Host::new();
    let route = |arguments: &str| {
        host.net.a.ip(&arguments.split_whitespace().collect::<Vec<_>>());
    };
    route("route add blackhole 203.0.113.0/26");
    route("route add prohibit 203.0.113.64/26");
    route("route add unreachable 203.0.113.128/26");
    route("-6 route add blackhole 2001:db8:1::/48");
    route("-6 route add prohibit 2001:db8:2::/48");
    route("-6 route add unreachable 2001:db8:3::/48");
    let add = "add one (ip route add), or name an interface with --iface";
    let closed = "is a blackhole or prohibited";
    let cases: &[(&str, &str, &[&str])] = &[
        ("no route", "192.0.2.1:5004", &["no route to 192.0.2.1", add]),
        ("no route, IPv6", "[2001:db8::1]:5004", &["no route to 2001:db8::1", add]),
        ("no route, group", "224.1.1.1:5004", &["no route to 224.1.1.1", add]),
        ("unreachable", "203.0.113.129:5004", &["no route to 203.0.113.129", add]),
        ("unreachable, IPv6", "[2001:db8:3::1]:5004", &["no route to 2001:db8:3::1", add]),
        ("blackhole", "203.0.113.1:5004", &["203.0.113.1", closed, "`ip route get 203.0.113.1`"]),
        ("prohibited", "203.0.113.65:5004", &["203.0.113.65", closed, "`ip route get 203.0.113.65`"]),
        ("blackhole, IPv6", "[2001:db8:1::1]:5004", &["2001:db8:1::1", closed, "`ip route get"]),
        ("prohibited, IPv6", "[2001:db8:2::1]:5004", &["2001:db8:2::1", closed, "`ip route get"]),
    ];
    for (case, to, says) in cases {
        for engine in ["kernel", "user"] {
            let line = format!("stream sample.ts --engine {engine} --to {to}");
            host.refuses(&[(&format!("{case}, {engine} engine"), &line, says)]);
        }
    }
}

/// With a source the kernel is asked for the route of that source.
#[test]
fn sources_without_a_way() {
    let host = Host::new();
    host.net.a.ip_all(&[
        "rule add from 198.18.0.1 to 203.0.113.0/24 prohibit",
        "route add 203.0.113.0/24 via 198.18.0.2",
        "route add 2001:db8:1::/48 via 2001:2::2",
    ]);
    // A batch of `ip` takes the family of a route from its address, but not a rule's.
    host.net.a.ip(&["-6", "rule", "add", "from", "2001:2::1", "to", "2001:db8:1::/48", "blackhole"]);
    let none = "add one (ip route add)";
    let closed = "is a blackhole or prohibited: see `ip route get";
    for (source, to, says) in [
        ("198.18.0.1", "192.0.2.1", ["no route to 192.0.2.1 from 198.18.0.1", none]),
        ("2001:2::1", "2001:db8::1", ["no route to 2001:db8::1 from 2001:2::1", none]),
        ("198.18.0.1", "203.0.113.1", [closed, "203.0.113.1 from 198.18.0.1`"]),
        ("2001:2::1", "2001:db8:1::1", [closed, "2001:db8:1::1 from 2001:2::1`"]),
        // Whose source it is comes before where it leads.
        ("198.18.0.77", "192.0.2.1", ["cannot send from 198.18.0.77", "an address of this host"]),
        ("2001:2::77", "2001:db8::1", ["cannot send from [2001:2::77]", "an address of this host"]),
    ] {
        let to = if to.contains(':') { format!("[{to}]:5004") } else { format!("{to}:5004") };
        let line = format!("stream sample.ts --to {to} --source {source}");
        host.refuses(&[(&line, &line, &says)]);
    }
}

/// One of a test's own each, as the kernel asks three times before it gives up.
#[track_caller]
fn silent_neighbour(to: &str, says: &[&str]) {
    Host::new().refuses(&[("silent neighbour", &format!("stream sample.ts --to {to}"), says)]);
}

#[test]
fn a_neighbour_that_is_silent() {
    silent_neighbour("198.18.0.99:5004", &["198.18.0.99 does not answer on va (ARP)", "is it up"]);
}

#[test]
fn a_neighbour_that_is_silent_on_ipv6() {
    silent_neighbour(
        "[2001:2::99]:5004",
        &["2001:2::99 does not answer on va (neighbour discovery)", "is it up"],
    );
}

#[test]
fn a_gateway_that_is_silent() {
    let host = Host::new();
    host.net.a.ip(&["route", "add", "default", "via", "198.18.0.98"]);
    let says: &[&str] = &["198.18.0.98 does not answer on va (ARP)", "is it up"];
    host.refuses(&[("silent gateway", "stream sample.ts --to 192.0.2.1:5004", says)]);
}

#[test]
fn a_link_local_address_without_its_interface() {
    let host = Host::new();
    host.net.b.ip(&["address", "add", "fe80::99/64", "dev", "vb", "nodad"]);
    for to in ["[fe80::99]:5004", "[ff02::99]:5004"] {
        for engine in ["kernel", "user"] {
            let line = format!("stream sample.ts --to {to} --pace none --engine {engine}");
            host.refuses(&[(&line, &line, &[to, "link-local", "say which with --iface"])]);
            host.run(&format!("{line} --iface va")).well();
        }
    }
}
