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
mod tests {
    use super::{host, interface, interfaces, wrap};
    use crate::{
        doctor::{
            host::{Load, Support},
            interface::{Offload, Presence, Queueing},
            verdict::tests::{host as fine_host, interface as fine_interface},
        },
        net::qdisc::Departures,
    };

    #[test]
    fn a_fine_host_and_interface() {
        let expected = "\
Host
  kernel          Linux 6.12.0, new enough (6.1); hook tcx
  privileges      root; CAP_BPF and CAP_NET_ADMIN are there
  program         the verifier takes it
  BPF JIT         on
  BTF             present
  BPF file system mounted
  segmenter       macvlan is there
  attached        no interface
";
        assert_eq!(host(&fine_host()), expected);
        let expected = "\
eth0
  state           up, Ethernet, MTU 1500
  payload         up to 1460 octets (IPv4), 1440 octets (IPv6); 7 TS packets
                  (1316) fit
  segmenter       possible
  hook            tcx, in front of all others
  others on it    none
  queueing        fq: keeps departure times
  offload         UDP checksum yes, UDP segmentation yes
  krtp            not attached

krtp stream will use, through eth0
  kernel engine: tcx, batches through the segmenter, full UDP checksum
";
        assert_eq!(interface(&fine_host(), &fine_interface()), expected);
    }

    #[test]
    fn an_unprivileged_user_learns_what_to_do() {
        let mut host = fine_host();
        (host.root, host.missing, host.load) = (false, vec!["CAP_BPF", "CAP_NET_ADMIN"], Load::NotTried);
        (host.jit, host.attached, host.macvlan) = (None, None, Support::Unknown);
        let mut down = fine_interface();
        down.link.up = false;
        let mut loopback = fine_interface();
        (loopback.link.name, loopback.link.loopback, loopback.link.mtu) = ("lo".into(), true, 65_536);
        loopback.unfit = Some("a loopback carries no segmenter".into());
        let expected = "\
krtp stream will use
  eth0            user engine; MTU 1500; down
  lo              user engine; MTU 65536
  the user engine because CAP_BPF and CAP_NET_ADMIN are missing

To get more
  - run as root, or give krtp the privileges once (setcap
    cap_bpf,cap_net_admin=ep /usr/bin/krtp): the kernel engine

`krtp doctor IFACE` looks closer at one of them.
";
        assert_eq!(interfaces(&host, &[down, loopback]), expected);
        let text = super::host(&host);
        assert!(text.contains("missing: CAP_BPF, CAP_NET_ADMIN\n"), "{text}");
        assert_eq!(text.matches("not visible without root").count(), 2, "{text}");
    }

    #[test]
    fn everything_that_can_be_wrong_with_an_interface() {
        let mut poor = fine_interface();
        (poor.link.mtu, poor.link.carrier, poor.link.kind) = (576, false, Some("veth".into()));
        (poor.offload, poor.krtp) = (None, Presence::Attached { segmenter: false });
        poor.queueing = Queueing { root: "mq".into(), leaves: vec!["pfifo_fast".into()] };
        poor.departures = Departures::NotKept { why: "eth0 has mq over pfifo_fast".into() };
        poor.others = Some(vec!["cil_to_netdev".into(), "u32".into()]);
        let expected = "\
eth0
  state           no carrier, Ethernet (veth), MTU 576
  payload         up to 536 octets (IPv4); 2 TS packets fit: --payload 376
  segmenter       none: eth0 was attached without a segmenter
  hook            tcx, in front of all others
  others on it    cil_to_netdev, u32: packets come to them after krtp
  queueing        mq over pfifo_fast: keeps no departure times
  offload         not known: the driver does not say
  krtp            attached by `krtp attach`

krtp stream will use, through eth0 once it has a carrier
  kernel engine: tcx, one datagram per sendfile because eth0 was attached
  without a segmenter, full UDP checksum

To get more
  - eth0 has no carrier: check the cable, and that the other end is up
  - krtp detach eth0, krtp attach eth0: tries again to make a segmenter
  - ip link set eth0 mtu 1356: seven transport stream packets in each
  - krtp stream --qdisc fq (or krtp attach eth0 --qdisc fq): the kernel has each
    packet leave at its time
";
        assert_eq!(interface(&fine_host(), &poor), expected);
    }

    #[test]
    fn a_refusal_shows_the_end_of_the_log() {
        let mut host = fine_host();
        host.load = Load::Refused { why: "the verifier refuses krtp_egress".into(), log: "R1 is bad".into() };
        host.left_behind = vec!["krtp0".into()];
        let text = super::host(&host);
        assert!(text.contains("  program         the verifier refuses krtp_egress\n"), "{text}");
        assert!(
            text.contains("left behind     krtp0, of killed streams; the next stream removes them"),
            "{text}"
        );
        assert!(text.ends_with("\nR1 is bad\n"), "{text}");
    }

    #[test]
    fn offloads_and_attachments_are_told_apart() {
        let mut some = fine_interface();
        some.offload = Some(Offload { checksum: true, segmentation: false });
        some.krtp = Presence::Attached { segmenter: true };
        let text = interface(&fine_host(), &some);
        assert!(text.contains("UDP checksum yes, UDP segmentation no"), "{text}");
        assert!(text.contains("  segmenter       there\n"), "{text}");
        some.krtp = Presence::Stream;
        assert!(interface(&fine_host(), &some).contains("a running stream has"), "{text}");
    }

    #[test]
    fn lines_break_between_words_before_column_80() {
        let text = wrap("  - ", 4, &"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    word")), "{text}");
        let long = "x".repeat(100);
        assert_eq!(wrap("", 2, &long), format!("{long}\n"), "a path is not broken");
    }
}
