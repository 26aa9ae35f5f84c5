//! A profile of the whole way, folded into shares of named steps.

use crate::{
    lane::{Lane, PARTS},
    media::Media,
};
use anyhow::{Context, ensure};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    process::{Child, Command, Stdio},
};

/// Samples per second.
const RATE: &str = "4999";

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
    let directory = tempfile::tempdir().context("a directory for the profile")?;
    let data = directory.path().join("perf.data");
    let mut perf = record(&data, seconds)?;
    let mut turns = 0..;
    while perf.try_wait()?.is_none() {
        lane.sender.send(media, media.part(turns.next().unwrap_or_default(), PARTS))?;
    }
    ensure!(perf.wait()?.success(), "perf record failed");
    let script = Command::new("perf").arg("script").arg("-i").arg(&data).args(["-F", "ip,sym"]).output();
    let script = script.context("perf script")?;
    ensure!(script.status.success(), "perf script: {}", String::from_utf8_lossy(&script.stderr));
    let shares = fold(&String::from_utf8_lossy(&script.stdout));
    ensure!(!shares.is_empty(), "perf took no samples");
    Ok(shares)
}

fn record(data: impl AsRef<OsStr>, seconds: u32) -> anyhow::Result<Child> {
    let mut perf = Command::new("perf");
    perf.args([
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-g",
        "-F",
        RATE,
        "-p",
        &std::process::id().to_string(),
        "-o",
    ]);
    perf.arg(data).args(["--", "sleep", &seconds.to_string()]);
    perf.stdin(Stdio::null()).spawn().context("cannot run perf (Debian package linux-perf)")
}

/// The shares in what `perf script` printed: stacks, the innermost function
/// first, an empty line between them.
fn fold(script: &str) -> Shares {
    let mut counts = BTreeMap::new();
    let stacks = script.split("\n\n").map(str::trim).filter(|stack| !stack.is_empty());
    let mut all = 0.0;
    for stack in stacks {
        *counts.entry(step(stack)).or_insert(0.0) += 1.0;
        all += 1.0;
    }
    let mut shares: Shares = counts.into_iter().map(|(step, count)| (step.to_owned(), count / all)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

fn step(stack: &str) -> &'static str {
    let functions = stack.lines().filter_map(|line| line.split_whitespace().nth(1));
    let mut steps = functions
        .filter_map(|name| STEPS.iter().find_map(|(sign, step)| name.contains(sign).then_some(*step)));
    steps.next().unwrap_or("user space")
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn a_stack_belongs_to_the_innermost_step() {
        let script = "\
ffffffff8 memcpy
ffffffff8 skb_copy_bits
ffffffff8 bpf_skb_pull_data
ffffffffc bpf_prog_0123456789abcdef_krtp_flow
ffffffff8 tc_run
ffffffff8 macvlan_start_xmit
ffffffff8 __x64_sys_sendfile64

ffffffffc bpf_prog_0123456789abcdef_krtp_flow
ffffffff8 tc_run

ffffffffc bpf_prog_0123456789abcdef_krtp_flow

    55555 krtp::engine::send
";
        let shares = fold(script);
        let named: Vec<_> = shares.iter().map(|(step, share)| (step.as_str(), *share)).collect();
        let expected = [
            ("program: its own instructions", 0.5),
            ("program: bpf_skb_pull_data", 0.25),
            ("user space", 0.25),
        ];
        assert_eq!(named, expected);
    }
}
