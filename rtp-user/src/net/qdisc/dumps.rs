//! What two kernels list (Debian's 6.1 and 6.12): for each qdisc one line, the
//! answer to `RTM_GETQDISC` behind its `nlmsghdr`. The interfaces:
//!
//! | index | made by |
//! |---|---|
//! | 6 | `mq` 7: on four queues; fq by default, and `parent 7:2 handle 72: pfifo limit 9` |
//! | 8 | `handle 1: pfifo limit 77` |
//! | 10 | a VLAN, nothing configured |
//! | 13 | nothing configured, `net.core.default_qdisc` fq |
//! | 14 | `handle 4: fq_codel limit 500` |

use super::Qdisc;
use rtnetlink::{packet_core::Parseable, packet_route::tc::TcMessage};

const DUMPS: [(&str, &str); 2] =
    [("6.1", include_str!("dumps/6.1.txt")), ("6.12", include_str!("dumps/6.12.txt"))];

/// Each kernel's name, and its answers for interface `index`.
pub fn raw(index: i32) -> impl Iterator<Item = (&'static str, Vec<Vec<u8>>)> {
    DUMPS.into_iter().map(move |(kernel, lines)| {
        let answers = lines.lines().map(octets).filter(|octets| octets[4..8] == index.to_ne_bytes());
        (kernel, answers.collect())
    })
}

/// The same, parsed.
pub fn of(index: i32) -> impl Iterator<Item = (&'static str, Vec<Qdisc>)> {
    raw(index).map(|(kernel, answers)| {
        let qdiscs = answers.iter().map(|octets| TcMessage::parse(octets).expect("the kernel wrote it"));
        (kernel, qdiscs.map(|message| Qdisc::from_message(&message)).collect())
    })
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}
