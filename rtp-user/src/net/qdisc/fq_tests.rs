use super::{Fq, HORIZON, Limits, Load, MOST, drops};
use crate::net::qdisc::{Drops, Qdisc, dumps};
use proptest::prelude::*;
use rtnetlink::packet_core::Emitable;
use std::time::Duration;

/// An fq with these options.
fn qdisc(limits: Limits) -> Qdisc {
    let (_, mut qdiscs) = dumps::of(13).next().expect("a kernel");
    let mut qdisc = qdiscs.remove(0);
    let options = limits.options();
    qdisc.options = vec![0; options.as_slice().buffer_len()];
    options.as_slice().emit(&mut qdisc.options);
    qdisc
}

#[test]
fn every_kernel_says_what_its_fq_holds() {
    for (kernel, qdiscs) in dumps::of(13) {
        let [qdisc] = &qdiscs[..] else { panic!("{kernel}: {qdiscs:?}") };
        let expected = Fq {
            limit: 10_000,
            flow_limit: 100,
            horizon: Duration::from_secs(10),
            drops_beyond: true,
            max_rate: None,
            interface: "d3".into(),
        };
        assert_eq!(Fq::of("d3", qdisc), expected, "{kernel}");
        assert_eq!(drops(qdisc), Drops::default(), "{kernel}");
    }
}

/// `struct tc_fq_qd_stats` by hand.
#[test]
fn drops_are_told_apart() {
    let mut qdisc = qdisc(Limits::of(Load::of_flows(1)));
    qdisc.drops = 12;
    let mut app = Vec::new();
    // gc_flows, highprio_packets, tcp_retrans, throttled, flows_plimit,
    // pkts_too_long, allocation_errors, time_next_delayed_flow
    app.extend([90u64, 91, 92, 93, 5, 95, 96, 97].iter().flat_map(|value| value.to_ne_bytes()));
    // flows, inactive_flows, throttled_flows, unthrottle_latency_ns
    app.extend([80u32, 81, 82, 83].iter().flat_map(|value| value.to_ne_bytes()));
    // ce_mark, horizon_drops, horizon_caps
    app.extend([70u64, 7, 72].iter().flat_map(|value| value.to_ne_bytes()));
    for (app, expected) in [
        (&app[..], Drops { all: 12, horizon: 7, flow_limit: 5 }),
        (&app[..64], Drops { all: 12, horizon: 0, flow_limit: 5 }),
        (&[], Drops { all: 12, horizon: 0, flow_limit: 0 }),
    ] {
        qdisc.app = app.to_vec();
        assert_eq!(drops(&qdisc), expected, "{} octets", app.len());
    }
}

#[test]
fn what_does_not_fit_is_seen() {
    let load = Load { packets_per_flow: 500, flows: 4, max_rate: None };
    let fits = Fq {
        limit: 2000,
        flow_limit: 500,
        horizon: HORIZON,
        drops_beyond: true,
        max_rate: None,
        interface: "a".into(),
    };
    assert!(fits.holds(load));
    for (case, fq) in [
        ("a flow", Fq { flow_limit: 499, ..fits.clone() }),
        ("all of them", Fq { limit: 1999, ..fits.clone() }),
        ("ten seconds", Fq { horizon: Duration::from_secs(9), ..fits.clone() }),
    ] {
        assert!(!fq.holds(load), "{case}");
    }
}

#[test]
fn buckets_follow_the_flows() {
    for (flows, log) in [(1, 10), (512, 10), (513, 11), (65_536, 17), (u32::MAX, 18)] {
        assert_eq!(
            Limits::of(Load { packets_per_flow: 1, flows, max_rate: None }).buckets,
            Some(log),
            "{flows} flows"
        );
    }
}

/// Whose rate counts: on an fq of ours the new one's word, on one that others
/// rely on what all of them can do with.
#[test]
fn the_rate_of_two_is_one_that_both_can_do_with() {
    for (there, wished, raised, shared) in [
        (None, None, None, None),
        (None, Some(5), Some(5), None),
        (Some(5), None, Some(5), Some(5)),
        (Some(5), Some(5), Some(5), Some(5)),
        (Some(5), Some(7), Some(7), Some(7)),
        (Some(7), Some(5), Some(5), Some(7)),
    ] {
        let load = Load { packets_per_flow: 1, flows: 1, max_rate: wished };
        let fq = Fq { max_rate: there, ..Fq::of("a", &qdisc(Limits::of(load))) };
        let rate = |limits| Fq::of("a", &qdisc(limits)).max_rate;
        let case = format!("{there:?} and {wished:?}");
        assert_eq!(rate(Limits::raised(&fq, load)), raised, "{case}");
        assert_eq!(rate(Limits::shared(&fq, load)), shared, "{case}");
        assert_eq!(fq.holds(load), wished.is_none() || wished == there, "{case}");
    }
}

/// Octets per second as fq takes them, or none.
fn rate() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(1..u32::MAX)
}

proptest! {
    /// What is asked for is what the kernel would say, and it holds the load.
    #[test]
    fn limits_hold_their_load(packets_per_flow in 0..MOST, flows in 0u32..100_000, max_rate in rate()) {
        let load = Load { packets_per_flow, flows, max_rate };
        let fq = Fq::of("a", &qdisc(Limits::of(load)));
        prop_assert!(fq.holds(load), "{fq:?}");
        prop_assert!(fq.limit >= 10_000, "room for others: {fq:?}");
        prop_assert_eq!(fq.max_rate, max_rate);
    }

    /// Raised limits hold what they held, and the new load.
    #[test]
    fn raised_limits_hold_both(
        packets in 0..MOST, flows in 0u32..100_000, limit: u32, flow_limit: u32, seconds in 0u64..4000,
        max_rate in rate(), wished in rate(),
    ) {
        let load = Load { packets_per_flow: packets, flows, max_rate: wished };
        let horizon = Duration::from_secs(seconds);
        let before = Fq { limit, flow_limit, horizon, drops_beyond: true, max_rate, interface: "a".into() };
        let after = Fq::of("a", &qdisc(Limits::raised(&before, load)));
        prop_assert!(after.holds(load), "{after:?}");
        prop_assert!(after.limit >= limit && after.flow_limit >= flow_limit && after.horizon >= horizon);
        prop_assert_eq!(Fq::of("a", &qdisc(Limits::as_they_are(&before))), before.clone());
        let both = Fq::of("a", &qdisc(Limits::shared(&before, load)));
        prop_assert!(both.holds(Load { max_rate: None, ..load }), "{both:?}");
    }
}
