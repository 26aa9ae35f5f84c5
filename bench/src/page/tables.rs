//! The page's tables.

use super::{
    cells::{GROUPS, name, percent, spread},
    copies,
    figures::{Disagreement, REFERENCE, USUAL, gigabits, noise, per_gigabyte, thousands, three},
    model::{Results, Row, Series},
    paper,
};
use crate::paths::formula;
use maud::{Markup, html};

/// All rows at the usual payload.
pub fn rows(results: &Results) -> Markup {
    let Some(usual) = results.usual() else { return html! { p.missing { "Nothing was measured." } } };
    let noisy = noise(results);
    html! {
        div.wide { table {
            thead { tr {
                th scope="col" { "row" } th scope="col" { "ns a packet" } th scope="col" { "of " code { (REFERENCE) } }
                th scope="col" { "CPU s a GB" } th scope="col" { "Gb/s a core" }
                th scope="col" { "calls a packet" } th scope="col" { "copies" }
            } }
            @for (group, title) in GROUPS {
                @if results.group(group).next().is_some() {
                    tbody {
                        tr.group { th colspan="7" scope="rowgroup" { (title) } }
                        @for row in results.group(group) {
                            (line(results, usual, row, noisy.as_ref().and_then(|noisy| noisy.get(row.key.as_str()))))
                        }
                    }
                }
            }
        } }
        @match &noisy {
            None => p.note { "There was no run before this one on this machine and kernel: whether a second run agrees with it within 15 % is not known." },
            Some(noisy) if noisy.is_empty() => p.note { "The run before this one agrees with it on every ratio within 15 %." },
            Some(noisy) => p.note {
                "Noisy: the run before this one differs by more than 15 % on "
                @for (at, (key, Disagreement { at: place, ratios })) in noisy.iter().enumerate() {
                    @if at > 0 { ", " } code { (key) } " (" (place) ": " (three(ratios.0)) ", now " (three(ratios.1)) ")"
                }
                "."
            },
        }
        (left_out(results))
    }
}

fn line(results: &Results, usual: &Series, row: &Row, noisy: Option<&Disagreement>) -> Markup {
    let nanos = usual.nanos(&row.key);
    html! {
        tr {
            th scope="row" { (name(row)) @if noisy.is_some() { " " span.mark { "noisy" } } }
            @if let Some(nanos) = nanos {
                td { (spread(nanos, thousands)) }
                td { @if let Some(ratio) = usual.ratio(&row.key, REFERENCE) { (spread(ratio, three)) } @else { "–" } }
                td { (three(per_gigabyte(nanos, usual.payload).median)) }
                td { (three(gigabits(nanos.median, usual.payload))) }
            } @else {
                td colspan="4" .missing { (missing(usual, row)) }
            }
            td { (calls(row)) }
            td { (copies::count(results, row)) }
        }
    }
}

fn missing<'a>(series: &'a Series, row: &'a Row) -> &'a str {
    let why = if row.delivers { series.left_out.get(&row.key) } else { row.why_not.as_ref() };
    why.map_or("not measured", String::as_str)
}

/// What was counted, and the formula; whether they agree.
fn calls(row: &Row) -> Markup {
    let formula = html! { small { "s = " (row.calls) } };
    let Some(counted) = &row.counted else { return html! { "not counted" (formula) } };
    let by_call = counted.by_call.iter().map(|(call, times)| format!("{call} {}", three(*times)));
    let detail = format!("{}; {}", counted.how, by_call.collect::<Vec<_>>().join(", "));
    let differs = formula::per_packet(&row.calls)
        .is_ok_and(|calls| !formula::agrees(calls, counted.per_packet, counted.packets));
    html! {
        span title=(detail) { (three(counted.per_packet)) }
        (formula)
        @if differs { span.mark { "not as the formula" } }
    }
}

/// Points that some row cannot have.
fn left_out(results: &Results) -> Markup {
    let mut left: Vec<(String, Vec<&str>)> = Vec::new();
    for series in &results.series {
        for (key, why) in &series.left_out {
            let what = format!("{}: {why}", series.title());
            match left.iter_mut().find(|(known, _)| *known == what) {
                Some((_, keys)) => keys.push(key),
                None => left.push((what, vec![key])),
            }
        }
    }
    html! {
        @if !left.is_empty() {
            h3 { "Left out" }
            ul { @for (what, keys) in left {
                li { @for (at, key) in keys.iter().enumerate() { @if at > 0 { ", " } code { (key) } } " – " (what) }
            } }
        }
    }
}

/// User and system time at the usual payload, as bars.
pub fn bars(results: &Results) -> Markup {
    let Some(usual) = results.usual() else { return html! {} };
    let parts = |row: &Row| {
        let (user, system) = usual.user_and_system(&row.key)?;
        let whole = per_gigabyte(usual.nanos(&row.key)?, usual.payload).median;
        let [user, system] = [user, system].map(|nanos| nanos / f64::from(usual.payload));
        Some((user, system, whole))
    };
    let longest = results.rows.iter().filter_map(parts).map(|(user, system, _)| user + system);
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let share = |part: f64| format!("{:.2}%", part / longest * 100.0);
    html! {
        p.key { span.swatch.user {} " user space" span.swatch.system {} " kernel" }
        div.bars {
            @for (group, title) in GROUPS {
                @if results.group(group).next().is_some() { h3 { (title) } }
                @for row in results.group(group) {
                    @if let Some((user, system, whole)) = parts(row) {
                        span.of { (name(row)) }
                        span.bar title={ "user " (three(user)) " s, system " (three(system)) " s" } {
                            span.user style={ "width:" (share(user)) } {}
                            span.system style={ "width:" (share(system)) } {}
                        }
                        span.number { (three(whole)) " s" }
                    }
                }
            }
        }
    }
}

/// CPU seconds for 1 GB by payload, user and system.
pub fn sizes(results: &Results) -> Markup {
    let sizes = results.sizes();
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "row" } @for series in &sizes { th scope="col" { (thousands(f64::from(series.payload))) } } } }
            tbody { @for row in &results.rows { tr {
                th scope="row" { (name(row)) }
                @for series in &sizes {
                    @match series.user_and_system(&row.key) {
                        Some((user, system)) => td {
                            @let part = |nanos: f64| three(nanos / f64::from(series.payload));
                            (part(user + system)) small { (part(user)) " + " (part(system)) }
                        },
                        None => td { "–" },
                    }
                }
            } } }
        } }
    }
}

/// The other series beside the usual one: nanoseconds, and the ratio to the reference.
pub fn conditions(results: &Results) -> Markup {
    let others = results.series.iter().filter(|series| series.name != "sizes");
    let all: Vec<&Series> = results.usual().into_iter().chain(others).collect();
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "row" } @for series in &all {
                th scope="col" {
                    @if series.name == "sizes" { "as above" } @else { (series.name) }
                    small { (series.device) ", " (series.cache) @if series.payload != USUAL { ", " (thousands(f64::from(series.payload))) " octets" } }
                }
            } } }
            tbody { @for row in &results.rows { tr {
                th scope="row" { (name(row)) }
                @for series in &all { td {
                    @match series.nanos(&row.key) {
                        Some(nanos) => {
                            (thousands(nanos.median))
                            @if let Some(ratio) = series.ratio(&row.key, REFERENCE) { small { "× " (three(ratio.median)) } }
                        },
                        None => span title=(missing(series, row)) { "–" },
                    }
                } }
            } } }
        } }
    }
}

/// How much less each enhanced row costs than each existing one.
pub fn pairs(results: &Results) -> Markup {
    let (existing, enhanced) = paper::streaming(results);
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "less than …" } @for other in &existing { th scope="col" { (name(other)) } } } }
            tbody { @for row in enhanced.iter().chain(&existing) { tr {
                th scope="row" { (name(row)) }
                @for other in &existing { td {
                    @match paper::reduction(results, &row.key, &other.key).by {
                        Some(by) if row.key != other.key => (spread(by, percent)),
                        _ => "–",
                    }
                } }
            } } }
        } }
    }
}
