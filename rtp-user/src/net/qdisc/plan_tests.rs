use super::{Plan, Refusal, keepers, plan};
use crate::net::qdisc::{Qdisc, dumps, fq::Load};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use rtnetlink::packet_route::tc::TcHandle;

const LOAD: Load = Load { packets_per_flow: 500, flows: 4, max_rate: None };

/// A request on the wire: type, flags and `tcmsg`, read by hand.
#[derive(Debug, PartialEq, Eq)]
struct Wire {
    action: &'static str,
    index: u32,
    handle: u32,
    parent: u32,
    kind: String,
    /// What is in `TCA_OPTIONS`.
    options: Vec<u8>,
}

fn wire(requests: &[super::Request]) -> Vec<Wire> {
    let read = |request: &super::Request| {
        let octets = crate::kernel::record::encode(request.clone());
        let number = |at: usize| u32::from_ne_bytes(octets[at..at + 4].try_into().expect("four"));
        let short = |at: usize| u16::from_ne_bytes(octets[at..at + 2].try_into().expect("two"));
        assert_eq!(number(0) as usize, octets.len());
        let action = match (short(4), short(6) & (NLM_F_CREATE | NLM_F_REPLACE)) {
            (36, 0) => "change",
            (36, flags) if flags == NLM_F_CREATE | NLM_F_REPLACE => "replace",
            (37, 0) => "delete",
            other => panic!("{other:?}"),
        };
        let (mut kind, mut options, mut at) = (String::new(), Vec::new(), 36);
        while at < octets.len() {
            let value = &octets[at + 4..at + usize::from(short(at))];
            match short(at + 2) & 0x3fff {
                1 => kind = String::from_utf8(value[..value.len() - 1].to_vec()).expect("ASCII"),
                2 => options = value.to_vec(),
                other => panic!("attribute {other}"),
            }
            at += usize::from(short(at)).next_multiple_of(4);
        }
        Wire { action, index: number(20), handle: number(24), parent: number(28), kind, options }
    };
    requests.iter().map(read).collect()
}

/// In short: what is done to which, in order.
fn short(requests: &[super::Request]) -> Vec<String> {
    let text = |wire: &Wire| format!("{} {} {:x} at {:x}", wire.action, wire.kind, wire.handle, wire.parent);
    wire(requests).iter().map(text).collect()
}

/// The `TCA_OPTIONS` of an answer, found without the parser.
fn options_of(answer: &[u8]) -> Vec<u8> {
    let mut at = 20;
    loop {
        let length = usize::from(u16::from_ne_bytes(answer[at..at + 2].try_into().expect("two")));
        if answer[at + 2] == 2 {
            return answer[at + 4..at + length].to_vec();
        }
        at += length.next_multiple_of(4);
    }
}

#[test]
fn departure_times_are_kept_by_fq_alone() {
    for (index, kept) in [
        (6, Err("eth0 has mq over pfifo")),
        (8, Err("eth0 has pfifo")),
        (10, Err("eth0 has no queue (noqueue)")),
        (13, Ok(1)),
        (14, Err("eth0 has fq_codel")),
        (99, Err("eth0 has no qdisc")),
    ] {
        for (kernel, qdiscs) in dumps::of(index) {
            let found = keepers("eth0", &qdiscs).map(|fqs| fqs.len());
            assert_eq!(found, kept.map_err(str::to_owned), "{kernel}, interface {index}");
        }
    }
    for (kernel, mut qdiscs) in dumps::of(6) {
        qdiscs.retain(|qdisc| qdisc.kind != "pfifo");
        assert_eq!(keepers("eth0", &qdiscs).map(|fqs| fqs.len()), Ok(3), "{kernel}: mq over fq alone");
        qdiscs.truncate(1);
        assert_eq!(
            keepers("eth0", &qdiscs),
            Err("eth0 has mq".into()),
            "{kernel}: mq over what nobody lists"
        );
    }
}

#[test]
fn what_was_there_is_replaced_and_put_back() {
    for (index, make, back) in [
        (10, &["replace fq 6b720000 at ffffffff"][..], &["delete  6b720000 at ffffffff"][..]),
        (13, &["replace fq 6b720000 at ffffffff"], &["delete  6b720000 at ffffffff"]),
        (
            8,
            &["replace fq 6b720000 at ffffffff"],
            &["delete  6b720000 at ffffffff", "replace pfifo 10000 at ffffffff"],
        ),
        (
            14,
            &["replace fq 6b720000 at ffffffff"],
            &["delete  6b720000 at ffffffff", "replace fq_codel 40000 at ffffffff"],
        ),
        (
            6,
            &[
                "replace mq 6b720000 at ffffffff",
                "replace fq 0 at 6b720001",
                "replace fq 0 at 6b720002",
                "replace fq 0 at 6b720003",
                "replace fq 0 at 6b720004",
            ],
            &[
                "delete  6b720000 at ffffffff",
                "replace mq 70000 at ffffffff",
                "replace pfifo 720000 at 70002",
            ],
        ),
    ] {
        for (kernel, qdiscs) in dumps::of(index) {
            let plan = plan((7, "eth0"), &qdiscs, LOAD, false).expect("nothing of anybody's");
            assert_eq!(short(&plan.make), make, "{kernel}, interface {index}");
            assert_eq!(short(&plan.back), back, "{kernel}, interface {index}");
            assert!(wire(&[plan.make, plan.back].concat()).iter().all(|wire| wire.index == 7));
        }
    }
}

/// Octet for octet, of a kind that the parser takes apart and of one that it does not.
#[test]
fn options_are_put_back_as_they_were() {
    for index in [8, 14] {
        for (kernel, answers) in dumps::raw(index) {
            let (_, qdiscs) = dumps::of(index).find(|(name, _)| *name == kernel).expect("the same kernels");
            let back = plan((7, "eth0"), &qdiscs, LOAD, false).expect("nothing of anybody's").back;
            let last = wire(&back).pop().expect("two requests");
            assert_eq!(last.options, options_of(&answers[0]), "{kernel}, interface {index}");
        }
    }
}

/// The default fq, configured.
fn configured_fq() -> Vec<Qdisc> {
    let (_, mut qdiscs) = dumps::of(13).last().expect("a kernel");
    qdiscs[0].handle = TcHandle { major: 3, minor: 0 };
    qdiscs
}

#[test]
fn an_fq_of_somebodys_is_changed_and_changed_back() {
    let Plan { make, back } = plan((7, "eth0"), &configured_fq(), LOAD, false).expect("an fq");
    assert_eq!(short(&make), ["change fq 30000 at ffffffff"]);
    assert_eq!(short(&back), ["change fq 30000 at ffffffff"]);
    // Packets of all flows and of one; the horizon.
    let numbers = |limit: u32, flow: u32| {
        let attribute = |kind: u16, value: u32| {
            [&8u16.to_ne_bytes()[..], &kind.to_ne_bytes(), &value.to_ne_bytes()].concat()
        };
        let rate = attribute(7, u32::MAX); // none
        [attribute(1, limit), attribute(2, flow), attribute(14, 10_000_000), rate].concat()
    };
    assert_eq!(wire(&make)[0].options, numbers(10_000 + 4 * 625, 625));
    assert_eq!(wire(&back)[0].options, numbers(10_000, 100));
}

#[test]
fn an_fq_that_holds_the_load_is_used_as_it_is() {
    let small = Load { packets_per_flow: 100, flows: 3, max_rate: None };
    for qdiscs in [configured_fq(), dumps::of(13).next().expect("a kernel").1] {
        assert_eq!(plan((7, "eth0"), &qdiscs, small, false), Ok(Plan::default()));
    }
}

/// A rate alone is a reason to change it.
#[test]
fn an_fq_without_the_rate_is_given_it_and_loses_it_again() {
    let load = Load { packets_per_flow: 1, flows: 1, max_rate: Some(750_000) };
    let Plan { make, back } = plan((7, "eth0"), &configured_fq(), load, false).expect("an fq");
    let rate = |rate: u32| [&8u16.to_ne_bytes()[..], &7u16.to_ne_bytes(), &rate.to_ne_bytes()].concat();
    for (requests, expected) in [(make, 750_000), (back, u32::MAX)] {
        assert_eq!(short(&requests), ["change fq 30000 at ffffffff"]);
        assert!(wire(&requests)[0].options.ends_with(&rate(expected)), "{requests:?}");
    }
}

#[test]
fn another_streams_fq_is_raised_and_undone_by_the_last() {
    let plan = plan((7, "eth0"), &configured_fq(), LOAD, true).expect("an fq");
    assert_eq!(short(&plan.make), ["change fq 30000 at ffffffff"]);
    assert_eq!(plan.back, []);
}

/// Somebody has removed what another krtp installed.
#[test]
fn a_held_interface_without_fq_gets_one_again() {
    let (_, qdiscs) = dumps::of(8).next().expect("a kernel");
    let plan = plan((7, "eth0"), &qdiscs, LOAD, true).expect("nothing of anybody's");
    assert_eq!((plan.make.len(), plan.back.len()), (1, 2));
}

#[test]
fn what_somebody_shapes_with_is_left_alone() {
    let (_, mut qdiscs) = dumps::of(8).next().expect("a kernel");
    for kind in ["htb", "hfsc", "prio", "tbf", "netem", "mqprio", "cake"] {
        kind.clone_into(&mut qdiscs[0].kind);
        let refusal = plan((7, "eth0"), &qdiscs, LOAD, false).expect_err(kind).to_string();
        assert!(refusal.contains(&format!("eth0 has a configured qdisc {kind} 1:;")), "{refusal}");
        assert!(refusal.contains("tc qdisc delete dev eth0 root"), "{refusal}");
    }
    let (_, mut qdiscs) = dumps::of(6).next().expect("a kernel");
    let queue = qdiscs.iter_mut().find(|qdisc| qdisc.kind == "pfifo").expect("one of four");
    "netem".clone_into(&mut queue.kind);
    assert!(plan((7, "eth0"), &qdiscs, LOAD, false).is_err(), "of one queue");
    assert_eq!(plan((7, "eth0"), &[], LOAD, false), Err(Refusal::None("eth0".into())));
}

/// A qdisc's own filters do not come back with it; an fq that is changed where it is has none.
#[test]
fn what_has_filters_is_not_replaced() {
    for (index, kind) in [(14, "fq_codel"), (13, "fq"), (6, "pfifo")] {
        for (kernel, mut qdiscs) in dumps::of(index) {
            let filtered = qdiscs.iter_mut().find(|qdisc| qdisc.kind == kind).expect("it is in the dump");
            filtered.has_filters = true;
            let handle = filtered.handle.major;
            let refusal = plan((14, "eth0"), &qdiscs, LOAD, false);
            let (interface, kind) = ("eth0".to_owned(), kind.to_owned());
            assert_eq!(refusal, Err(Refusal::Filters { interface, kind, handle }), "{kernel}, {index}");
        }
    }
}
