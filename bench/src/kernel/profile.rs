//! A profile of the whole way, folded into shares of named steps.

use crate::{
    lane::{Lane, PARTS},
    media::Media,
    profile::{self, Recorder},
};
use anyhow::ensure;
use std::{collections::BTreeMap, time::Duration};

/// Functions of a stack that are looked at: from the wire up to the system call.
const DEPTH: u16 = 100;

/// What a function's name says of the step that it belongs to. Of a stack, the
/// innermost function that is listed decides; of a name, the first line that fits.
const STEPS: &[(&str, &str)] = &[
    ("bpf_skb_adjust_room", "program: bpf_skb_adjust_room"),
    ("bpf_skb_pull_data", "program: bpf_skb_pull_data"),
    ("bpf_skb_change_tail", "program: bpf_skb_change_tail"),
    ("bpf_skb_load_bytes", "program: bpf_skb_load_bytes"),
    ("bpf_skb_store_bytes", "program: bpf_skb_store_bytes"),
    ("bpf_sk_storage_get", "program: bpf_sk_storage_get"),
    ("bpf_sk_fullsock", "program: bpf_sk_fullsock"),
    ("bpf_get_socket_cookie", "program: bpf_get_socket_cookie"),
    ("bpf_ktime_get_ns", "program: bpf_ktime_get_ns"),
    ("bpf_prog_", "program: its own instructions"),
    ("tc_run", "hook: to the program and back"),
    ("tcx_run", "hook: to the program and back"),
    ("sch_handle_egress", "hook: to the program and back"),
    ("__alloc_skb", "segmentation: allocating"),
    ("__skb_gso_segment", "segmentation: the rest"),
    ("consume_skb", "freeing"),
    ("kfree_skb", "freeing"),
    ("sk_skb_reason_drop", "freeing"),
    ("__kfree_skb", "freeing"),
    ("ifb_xmit", "interface: its driver"),
    ("sch_direct_xmit", "interface: queue and lock"),
    ("pfifo_fast", "interface: queue and lock"),
    ("macvlan_start_xmit", "segmenter: hop to the interface"),
    ("__bpf_redirect", "segmenter: once a batch"),
    ("udp_sendmsg", "socket, UDP and IP"),
    ("splice", "sendfile: pages to socket"),
    ("sendfile", "sendfile: pages to socket"),
    ("do_syscall_64", "other system calls"),
];

/// Share of each step in all samples, the largest first.
pub type Shares = Vec<(String, f64)>;

/// Has perf watch this process while `lane` sends for `seconds`. Zero: no profile.
pub fn take(lane: &mut Lane, media: &Media, seconds: u32) -> anyhow::Result<Shares> {
    if seconds == 0 {
        return Ok(Vec::new());
    }
    let (recorder, mut turns) = (Recorder::start(DEPTH)?, 0..);
    let window = profile::during(Duration::from_secs(seconds.into()), || {
        lane.sender.send(media, media.part(turns.next().unwrap_or_default(), PARTS))
    })?;
    let mut counts = Counts::new();
    recorder.end(|time, stack| {
        if window.contains(&time) {
            *counts.entry(step(stack)).or_default() += 1;
        }
    })?;
    ensure!(!counts.is_empty(), "perf took no samples");
    Ok(shares(counts))
}

/// Samples of each step.
type Counts = BTreeMap<&'static str, u32>;

fn shares(counts: Counts) -> Shares {
    let all = f64::from(counts.values().sum::<u32>());
    let share = |(step, count): (&str, u32)| (step.to_owned(), f64::from(count) / all);
    let mut shares: Shares = counts.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

fn step(stack: &[&str]) -> &'static str {
    let mut steps = stack
        .iter()
        .filter_map(|name| STEPS.iter().find_map(|(sign, step)| name.contains(sign).then_some(*step)));
    steps.next().unwrap_or("user space")
}

#[cfg(test)]
mod tests {
    use super::{Counts, shares, step};

    #[test]
    fn a_stack_belongs_to_the_innermost_step() {
        let program = "bpf_prog_0123456789abcdef_krtp_flow";
        let stacks = [
            vec!["memcpy", "skb_copy_bits", "bpf_skb_pull_data", program, "tc_run", "macvlan_start_xmit"],
            vec![program, "tc_run"],
            vec![program],
            vec!["krtp::engine::send"],
        ];
        let mut counts = Counts::new();
        for stack in stacks {
            *counts.entry(step(&stack)).or_default() += 1;
        }
        let shares = shares(counts);
        let named: Vec<_> = shares.iter().map(|(step, share)| (step.as_str(), *share)).collect();
        let expected = [
            ("program: its own instructions", 0.5),
            ("program: bpf_skb_pull_data", 0.25),
            ("user space", 0.25),
        ];
        assert_eq!(named, expected);
    }
}
