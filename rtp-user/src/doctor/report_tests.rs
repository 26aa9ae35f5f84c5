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
