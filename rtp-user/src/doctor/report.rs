//! What was found out, as text of at most 80 columns.

use super::{
    host::{Host, Load, Support},
    interface::{Interface, Presence},
    verdict::{self, Engine, TS_PACKETS},
};
use crate::net::{netlink::Link, qdisc::Departures};

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns in front of a value.
const LABEL: usize = 16;

/// In place of what the kernel shows to root alone.
const HIDDEN: &str = "not visible without root";

/// What the host can do.
pub fn host(host: &Host) -> String {
    let mut text = String::from("Host\n");
    text += &row("kernel", &kernel(host));
    text += &row("privileges", &privileges(host));
    text += &row("program", &program(host));
    text += &row("BPF JIT", yes_no(host.jit, "on", "off", HIDDEN));
    text += &row("BTF", if host.btf { "present" } else { "absent; krtp goes without" });
    text +=
        &row("BPF file system", if host.bpffs { "mounted" } else { "not mounted; `krtp attach` mounts it" });
    text += &row("segmenter", macvlan(host.macvlan));
    text += &row("attached", &attached(host));
    if !host.left_behind.is_empty() {
        let names = host.left_behind.join(", ");
        text += &row("left behind", &format!("{names}, of killed streams; the next stream removes them"));
    }
    if let Load::Refused { log, .. } = &host.load
        && !log.is_empty()
    {
        text.extend(["\nEnd of the verifier's log (all of it: krtp doctor --load)\n", log, "\n"]);
    }
    text
}

/// What each of `interfaces` can do, in a line, and what there is more to be had.
pub fn interfaces(host: &Host, interfaces: &[Interface]) -> String {
    let mut text = String::from("krtp stream will use\n");
    for interface in interfaces {
        text += &row(&interface.link.name, &in_short(host, interface));
    }
    if let Some(why) = verdict::obstacle(host) {
        text += &indented(&format!("the user engine because {why}"));
    }
    text += &hints(&verdict::host_hints(host));
    text += "\n`krtp doctor IFACE` looks closer at one of them.\n";
    text
}

/// What `interface` can do, what a stream will use, and how to get more.
pub fn interface(host: &Host, interface: &Interface) -> String {
    let link = &interface.link;
    let mut text = format!("{}\n", link.name);
    text += &row("state", &state(interface));
    text += &row("payload", &payload(link.mtu));
    text += &row("segmenter", &segmenter(host, interface));
    text += &row("hook", &format!("{}, in front of all others", host.hook.name()));
    text += &row("others on it", &others(interface));
    text += &row("queueing", &queueing(interface));
    text += &row("offload", &offload(interface));
    text += &row("krtp", presence(interface.krtp));
    let once = verdict::closed(link).map_or_else(String::new, |(once, _)| format!(" once {once}"));
    text.extend(["\nkrtp stream will use, through ", &link.name, &once, "\n"]);
    text += &indented(&engine(&Engine::choose(host, interface)));
    let mut more = verdict::host_hints(host);
    more.extend(verdict::interface_hints(host, interface));
    text + &hints(&more)
}

fn kernel(host: &Host) -> String {
    match &host.too_old {
        Some(why) => why.clone(),
        None => format!("Linux {}, new enough (6.1); hook {}", host.release, host.hook.name()),
    }
}

fn privileges(host: &Host) -> String {
    let who = if host.root { "root" } else { "not root" };
    if host.missing.is_empty() {
        return format!("{who}; CAP_BPF and CAP_NET_ADMIN are there");
    }
    format!("{who}; missing: {}", host.missing.join(", "))
}

fn program(host: &Host) -> String {
    match &host.load {
        Load::Loads => "the verifier takes it".into(),
        Load::NotTried => "not tried: kernel or privileges do not allow it".into(),
        Load::Barred => "loading is not permitted in spite of the privileges".into(),
        Load::Refused { why, .. } => why.clone(),
    }
}

fn macvlan(support: Support) -> &'static str {
    match support {
        Support::Yes => "macvlan is there",
        Support::No => "no macvlan in this kernel: datagrams one by one",
        Support::Unknown => "macvlan is tried when a stream starts",
    }
}

fn attached(host: &Host) -> String {
    match &host.attached {
        None => HIDDEN.into(),
        Some(names) if names.is_empty() => "no interface".into(),
        Some(names) => names.join(", "),
    }
}

fn in_short(host: &Host, interface: &Interface) -> String {
    let how = match Engine::choose(host, interface) {
        Engine::Kernel { one_by_one: None, .. } => "kernel engine, whole batches".into(),
        Engine::Kernel { one_by_one: Some(_), .. } => "kernel engine, datagrams one by one".into(),
        Engine::User(_) if !interface.link.ethernet => "user engine (no Ethernet headers)".into(),
        Engine::User(_) => String::from("user engine"),
    };
    let mtu = interface.link.mtu;
    match condition(&interface.link) {
        "up" => format!("{how}; MTU {mtu}"),
        closed => format!("{how}; MTU {mtu}; {closed}"),
    }
}

fn condition(link: &Link) -> &'static str {
    match (link.up, link.carrier) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) => "up",
    }
}

fn state(interface: &Interface) -> String {
    let link = &interface.link;
    let condition = condition(link);
    let layer = match (link.loopback, link.ethernet) {
        (true, _) => "loopback",
        (false, true) => "Ethernet",
        (false, false) => "no Ethernet headers",
    };
    let kind = link.kind.as_ref().map_or_else(String::new, |kind| format!(" ({kind})"));
    format!("{condition}, {layer}{kind}, MTU {}", link.mtu)
}

fn payload(mtu: u32) -> String {
    let of = |ipv6, name| verdict::largest_payload(mtu, ipv6).map(|octets| (octets, name));
    let known: Vec<(u32, &str)> = [of(false, "IPv4"), of(true, "IPv6")].into_iter().flatten().collect();
    let Some(smallest) = known.iter().map(|(octets, _)| *octets).min() else {
        return "none fits".into();
    };
    let largest: Vec<String> =
        known.iter().map(|(octets, name)| format!("{octets} octets ({name})")).collect();
    let packets = verdict::ts_packets(smallest);
    let octets = verdict::ts_octets(packets);
    let ts = match packets {
        TS_PACKETS => format!("7 TS packets ({octets}) fit"),
        0 => "no TS packet (188) fits".into(),
        _ => format!("{packets} TS packets fit: --payload {octets}"),
    };
    format!("up to {}; {ts}", largest.join(", "))
}

fn segmenter(host: &Host, interface: &Interface) -> String {
    match verdict::no_segmenter(host, interface) {
        Some(why) => format!("none: {why}"),
        None if interface.krtp == (Presence::Attached { segmenter: true }) => "there".into(),
        None if host.macvlan == Support::Unknown => "possible; tried when a stream starts".into(),
        None => "possible".into(),
    }
}

fn others(interface: &Interface) -> String {
    match &interface.others {
        None => HIDDEN.into(),
        Some(names) if names.is_empty() => "none".into(),
        Some(names) => format!("{}: packets come to them after krtp", names.join(", ")),
    }
}

fn queueing(interface: &Interface) -> String {
    let queueing = &interface.queueing;
    let leaves = queueing.leaves.join(", ");
    let over = if leaves.is_empty() { "" } else { " over " };
    let keeps = match &interface.departures {
        // A VLAN without a queue has that of the interface below.
        Departures::Kept(fq) if fq.interface != interface.link.name => {
            format!("keeps departure times, by the fq of {}{}", fq.interface, fq.rate_in_words())
        }
        Departures::Kept(fq) => format!("keeps departure times{}", fq.rate_in_words()),
        Departures::NotKept { .. } => "keeps no departure times".into(),
    };
    format!("{}{over}{leaves}: {keeps}", queueing.root)
}

fn offload(interface: &Interface) -> String {
    let Some(offload) = interface.offload else {
        return "not known: the driver does not say".into();
    };
    let yes = |is| yes_no(Some(is), "yes", "no", "");
    format!("UDP checksum {}, UDP segmentation {}", yes(offload.checksum), yes(offload.segmentation))
}

fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Unknown => HIDDEN,
        Presence::None => "not attached",
        Presence::Stream => "a running stream has its program there",
        Presence::Attached { .. } => "attached by `krtp attach`",
    }
}

fn engine(engine: &Engine) -> String {
    match engine {
        Engine::Kernel { hook, one_by_one: None } => {
            format!("kernel engine: {}, batches through the segmenter, full UDP checksum", hook.name())
        }
        Engine::Kernel { hook, one_by_one: Some(why) } => {
            format!(
                "kernel engine: {}, one datagram per sendfile because {why}, full UDP checksum",
                hook.name()
            )
        }
        Engine::User(why) => format!("user engine because {why}"),
    }
}

fn yes_no(value: Option<bool>, yes: &'static str, no: &'static str, unknown: &'static str) -> &'static str {
    match value {
        Some(true) => yes,
        Some(false) => no,
        None => unknown,
    }
}

/// How to get more, if there is more.
fn hints(hints: &[String]) -> String {
    if hints.is_empty() {
        return String::new();
    }
    let lines: String = hints.iter().fold(String::new(), |lines, hint| lines + &wrap("  - ", 4, hint));
    format!("\nTo get more\n{lines}")
}

fn row(label: &str, value: &str) -> String {
    // Names of interfaces may fill the column.
    wrap(&format!("  {label:<15} "), LABEL + 2, value)
}

fn indented(value: &str) -> String {
    wrap("  ", 2, value)
}

/// `text` behind `head`, broken between words; later lines are indented.
fn wrap(head: &str, indent: usize, text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from(head);
    let mut fresh = true;
    for word in text.split(' ') {
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line += word;
        fresh = false;
    }
    lines + line.trim_end() + "\n"
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
