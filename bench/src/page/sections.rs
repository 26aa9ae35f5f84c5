//! The page from top to bottom.

use super::{
    cells::{GROUPS, percent, spread},
    charts, copies,
    figures::{gigabits, thousands, three},
    machine_line,
    model::{Results, Row},
    paper::{CLAIMS, Reduction},
    tables,
};
use maud::{Markup, html};

/// All of it.
pub fn all(results: &Results) -> anyhow::Result<Markup> {
    let usual = results.usual().map_or(0, |usual| usual.payload);
    Ok(html! {
        header {
            h1 { "Data paths, twenty years on" }
            p.lead {
                "The table of Halvorsen, Dalseng and Griwodz's “Assessment of Data Path Implementations for Download \
                 and Streaming” (Linux 2.6), measured again on today's kernel, and today's ways beside it."
            }
            (machine_line(&results.machine, &results.date))
            @if results.quick { p.mark { "A quick run: few rounds, few sizes. Take its order, not its figures." } }
        }
        section { h2 { "The paper's numbers, and today's" } (claims(results)) }
        section { h2 { "The paper's figures, redrawn" } (charts::all(results)?) }
        section {
            h2 { "User space and kernel" }
            p { "CPU seconds to send 1 GB in payloads of " (thousands(f64::from(usual))) " octets." }
            (tables::bars(results))
            details { summary { "The same for every size: all, and user + system" } (tables::sizes(results)) }
        }
        section { h2 { "All rows" } (how(results, usual)) (tables::rows(results)) }
        section {
            h2 { "Copies of the payload" }
            p {
                "Where a row says that the CPU copies each payload, and what perf saw of it in a run by itself. Places: read (out of the page \
                 cache), user (in user space), send (into the packet), stack (from packet to packet). A claimed copy is there if routines that \
                 copy run at its place for at least half of a plain memcpy. What a row copies beside its payload, such as headers, is alike at every \
                 size: where none is claimed, only what is more than at the smallest size is a payload's. The kernel's own word is there of sends \
                 that it was asked not to copy (MSG_ZEROCOPY, io_uring)."
            }
            (copies::table(results))
        }
        @if results.series.iter().any(|series| series.name != "sizes") {
        section {
            h2 { "Under other conditions" }
            p { "Nanoseconds a packet, and how many times " code { "rtp_sendfile" } "’s under the same condition." }
            (tables::conditions(results))
        }
        }
        section { h2 { "Row by row" } (paragraphs(results)) }
    })
}

fn how(results: &Results, usual: u32) -> Markup {
    html! {
        p {
            "CPU time of the sender, user and system (getrusage), for each packet of " (thousands(f64::from(usual)))
            " octets of payload, unpaced, from a file of " (results.megabytes) " MB in the page cache, to an ifb that frees every packet at \
             once and takes no segmentation from the kernel. " (results.rounds) " rounds; in each round every row sends. \
             Medians, and small the 10th to the 90th percentile. Ratios are taken within a round. † is a system call that the authors \
             added to their kernel; what stands for it today is said row by row. ‡ is TCP, over a veth to a process that answers: it does other work than the \
             rest, and is not ranked with it. Group A sends no RTP header: less work than the row that it is compared with."
        }
    }
}

fn claims(results: &Results) -> Markup {
    html! {
        div.claims {
            @for claim in CLAIMS.iter().filter(|claim| !(claim.today)(results).is_empty()) {
                div.claim {
                    p.then { strong { (claim.percent) " %" } " then" }
                    @for Reduction { of, against, by } in (claim.today)(results) {
                        p.now {
                            @match by {
                                Some(by) => { strong { (percent(by.median)) } " now " small { (percent(by.low)) "–" (percent(by.high)) } },
                                None => strong { "not measured" },
                            }
                            span.pair { code { (of) } " against " code { (against) } }
                        }
                    }
                    p.note { (claim.compares) }
                }
            }
        }
        @let unknown: Vec<String> = CLAIMS.iter().filter(|claim| (claim.today)(results).is_empty()).map(|claim| format!("{} %", claim.percent)).collect();
        @if let Some(claim) = CLAIMS.iter().find(|claim| (claim.today)(results).is_empty()) {
            p.note { "The paper's text also gives " (unknown.join(", ")) ". " (claim.compares) }
        }
        details { summary { "Every pair: how much less CPU the row takes than the column" } (tables::pairs(results)) }
    }
}

fn paragraphs(results: &Results) -> Markup {
    html! {
        @for (group, title) in GROUPS {
            @if results.group(group).next().is_some() { h3 { (title) } }
            div.cards { @for row in results.group(group) { (card(results, row)) } }
        }
    }
}

fn card(results: &Results, row: &Row) -> Markup {
    let usual = results.usual();
    let nanos = usual.and_then(|usual| Some((usual.nanos(&row.key)?, usual.payload)));
    html! {
        article id={ "row-" (row.key) } {
            h4 { code { (row.key) } @if row.added { sup { "†" } } }
            p.figures-of {
                @if let Some((nanos, payload)) = nanos {
                    span { (spread(nanos, thousands)) " ns a packet" } " · "
                    span { (three(gigabits(nanos.median, payload))) " Gb/s a core" } " · "
                }
                span { "s = " (row.calls) }
            }
            @if !row.delivers { p.mark { "Did not deliver, and is not measured: " (row.why_not.as_deref().unwrap_or("no reason given")) } }
            p { (row.does) }
            p { (row.cost) }
            @if let Some(differs) = &row.differs { p.differs { b { "Not as in the paper: " } (differs) } }
        }
    }
}
