//! What the page's tables have in common.

use super::model::{Group, Row};
use crate::{rows::APART, stats::Spread};
use maud::{Markup, html};

/// Groups in the order of the page.
pub const GROUPS: [(Group, &str); 4] = [
    (Group::Download, "A: download, no header"),
    (Group::Existing, "B: RTP by existing calls"),
    (Group::Enhanced, "C: RTP, enhanced"),
    (Group::Today, "Today's"),
];

/// A row's name, with the paper's sign for an added call.
pub fn name(row: &Row) -> Markup {
    html! {
        a href={ "#row-" (row.key) } { code { (row.key) } }
        @if row.added { sup title="a system call that the authors added" { "†" } }
        @if APART.contains(&row.key.as_str()) { sup title="TCP, to a process that answers: not ranked with the others" { "‡" } }
    }
}

/// A median and how far samples spread.
pub fn spread(spread: Spread, show: impl Fn(f64) -> String) -> Markup {
    html! { (show(spread.median)) small { (show(spread.low)) "–" (show(spread.high)) } }
}

/// Per cent, without decimals.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0).replace('-', "−")
}
