//! Copies of the payload: what rows claim, what perf saw, what the kernel says.

use super::{
    cells::{GROUPS, name, percent},
    figures::{thousands, three},
    model::{Results, Row, Series},
};
use crate::{
    paths::verdict::{Copying, Evidence, Known, Memcpy, Verdict, judge},
    rows::{Notices, Place},
    stats::Spread,
};
use maud::{Markup, html};
use std::fmt::Write;

/// What is known of a row, from the second smallest size on that was looked at.
pub fn evidence(results: &Results, row: &Row) -> Vec<Evidence> {
    let profiles = row.copied.iter().flat_map(|copied| &copied.profiles);
    let series = |payload: usize| {
        results.sizes().into_iter().find(|series| usize::try_from(series.payload) == Ok(payload))
    };
    let mut all: Vec<Known> = profiles
        .filter_map(|profile| {
            let ns = series(profile.payload)?.nanos(&row.key)?.median;
            Some(Known { profile, ns, memcpy: memcpy(results, profile.payload)? })
        })
        .collect();
    all.sort_by_key(|known| known.profile.payload);
    let Some((smallest, others)) = all.split_first() else { return Vec::new() };
    let notices = |payload| series(payload).and_then(|series| series.notices.get(&row.key).copied());
    let judge = |known: &Known| judge(&row.copies, *smallest, *known, notices(known.profile.payload));
    others.iter().map(judge).collect()
}

fn memcpy(results: &Results, payload: usize) -> Option<Memcpy> {
    let copying = results
        .curves
        .memcpy
        .iter()
        .find(|copying| copying.octets.to_bits() == (payload as f64).to_bits())?;
    let median = |samples: &[f64]| Spread::of(samples.iter().copied()).map(|spread| spread.median);
    Some(Memcpy { cold: median(&copying.ns)?, warm: median(&copying.warm_ns)? })
}

/// Of the size that tables are made of, or what is nearest below.
fn usual(results: &Results, row: &Row) -> Option<Evidence> {
    let size = results.usual().map_or(0, |usual| usual.payload) as usize;
    evidence(results, row).into_iter().rfind(|evidence| evidence.payload <= size)
}

/// How often a payload is copied, and whether that was seen.
pub fn count(results: &Results, row: &Row) -> Markup {
    let verdict = usual(results, row).map(|evidence| evidence.verdict);
    html! {
        (row.copies.len())
        @match verdict {
            Some(Verdict::Agrees) => small { "seen so" },
            Some(Verdict::Differs) => span.mark { "not as seen" },
            Some(Verdict::Open) | None => small { "not shown" },
        }
    }
}

/// The same without markup.
pub fn count_text(results: &Results, row: &Row) -> String {
    let sign = match usual(results, row).map(|evidence| evidence.verdict) {
        Some(Verdict::Agrees) => "",
        Some(Verdict::Differs) => " (not as seen)",
        Some(Verdict::Open) | None => "?",
    };
    format!("{}{sign}", row.copies.len())
}

/// A place in a word.
fn word(place: Place) -> &'static str {
    match place {
        Place::Read => "read",
        Place::User => "user",
        Place::Send => "send",
        Place::Stack => "stack",
        Place::Program => "program",
    }
}

fn words(places: impl Iterator<Item = Place>) -> String {
    let words: Vec<_> = places.map(word).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

/// Places with what they take; open ones with how far that is uncertain.
fn seen(evidence: &Evidence) -> String {
    let seen = evidence.places.iter().filter_map(|Copying { place, ns, error, seen, .. }| match seen {
        Some(true) => Some(format!("{} {ns:.0}", word(*place))),
        Some(false) => None,
        None => Some(format!("{} {ns:.0}±{error:.0}?", word(*place))),
    });
    let seen: Vec<_> = seen.collect();
    if seen.is_empty() { "none".into() } else { seen.join(", ") }
}

/// The kernel's word: how many of so many sends it copied.
fn says(notices: Option<Notices>) -> String {
    notices.map_or_else(
        || "–".into(),
        |said| match said.copied {
            0 => "none".into(),
            all if all == said.sends => "all".into(),
            some => format!("{} of {}", some, said.sends),
        },
    )
}

/// For a terminal, lines of at most 80 columns.
pub fn text(results: &Results) -> String {
    let rows: Vec<_> = results.rows.iter().filter_map(|row| Some((row, usual(results, row)?))).collect();
    let Some((_, first)) = rows.first() else { return String::new() };
    let mut text = format!(
        "Copies of a payload of {} octets: where the row claims them; where perf\n\
         saw them, ns of a packet; share of samples in copy routines; and how many sends\n\
         that were to go without a copy the kernel says that it copied.\n",
        first.payload
    );
    let mut line = |columns: [&str; 7]| {
        let [name, claimed, seen, share, samples, says, verdict] = columns;
        let line = format!("{name:<21}{claimed:<11}{seen:<19}{share:>5}{samples:>7}{says:>7}  {verdict}");
        writeln!(text, "{}", line.trim_end()).expect("a string has room");
    };
    line(["", "claimed", "seen, ns", "share", "of", "kernel", ""]);
    for (row, evidence) in rows {
        let name = format!("{}{}", row.key, if row.added { " †" } else { "" });
        line([
            &name,
            &words(row.copies.iter().copied()),
            &seen(&evidence),
            &percent(evidence.share).replace(' ', ""),
            &evidence.samples.to_string(),
            &says(evidence.notices),
            evidence.verdict.word(),
        ]);
    }
    text
}

/// All of it for the page.
pub fn table(results: &Results) -> Markup {
    let mut sizes: Vec<usize> =
        results.rows.iter().flat_map(|row| evidence(results, row)).map(|one| one.payload).collect();
    sizes.sort_unstable();
    sizes.dedup();
    html! {
        @if sizes.is_empty() { p.missing { "Copies were not looked for." } }
        @else {
            div.wide { table {
                thead { tr {
                    th scope="col" { "row" } th scope="col" { "claimed" }
                    @for size in &sizes { th scope="col" { "seen at " (thousands(*size as f64)) small { "ns of a packet" } } th scope="col" { "samples" small { "in copy routines" } } th scope="col" { "kernel copied" } th scope="col" { "" } }
                } }
                @for (group, title) in GROUPS {
                    @if results.group(group).next().is_some() {
                        tbody {
                            tr.group { th colspan=(2 + 4 * sizes.len()) scope="rowgroup" { (title) } }
                            @for row in results.group(group) { (line(results, row, &sizes)) }
                        }
                    }
                }
            } }
            (after_all(results))
        }
    }
}

fn line(results: &Results, row: &Row, sizes: &[usize]) -> Markup {
    let all = evidence(results, row);
    html! {
        tr {
            th scope="row" { (name(row)) }
            td { (words(row.copies.iter().copied())) }
            @for size in sizes {
                @match all.iter().find(|evidence| evidence.payload == *size) {
                    Some(evidence) => {
                        td { (seen(evidence)) }
                        td { (three(evidence.share * 100.0)) " %" small { "of " (thousands(evidence.samples.into())) } }
                        td { (says(evidence.notices)) }
                        td { @if evidence.verdict == Verdict::Differs { span.mark { "differs" } } @else { (evidence.verdict.word()) } }
                    },
                    None => td colspan="4" { "–" },
                }
            }
        }
    }
}

/// Where the kernel copied although it was asked not to.
fn after_all(results: &Results) -> Markup {
    let copied = |series: &Series| -> Vec<String> {
        let copied = series.notices.iter().filter(|(_, said)| said.copied > 0);
        copied
            .map(|(key, said)| {
                format!("{key} ({} of {})", thousands(said.copied as f64), thousands(said.sends as f64))
            })
            .collect()
    };
    let all: Vec<_> = results
        .series
        .iter()
        .map(|series| (series.title(), copied(series)))
        .filter(|(_, keys)| !keys.is_empty())
        .collect();
    html! {
        p.note {
            @if results.series.iter().all(|series| series.notices.is_empty()) { "The kernel's word was not asked for." }
            @else if all.is_empty() { "Of no send that was to go without a copy does the kernel say that it copied." }
            @else {
                "By its own word the kernel copied what it was asked not to copy: "
                @for (at, (title, keys)) in all.iter().enumerate() { @if at > 0 { "; " } (title) ": " (keys.join(", ")) }
                ". Everywhere else it says that it did not."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{evidence, text};
    use crate::{
        page::sample,
        paths::verdict::Verdict::{Agrees, Differs},
    };

    #[test]
    fn claims_stand_beside_what_was_seen() {
        let results = sample::results();
        let verdict = |key: &str| {
            let row = results.rows.iter().find(|row| row.key == key).expect(key);
            evidence(&results, row).iter().map(|evidence| evidence.verdict).collect::<Vec<_>>()
        };
        // Of all rows the sample says that each payload is copied when it is sent; kmsend is seen not to.
        assert_eq!((verdict("read_write"), verdict("kmsend")), (vec![Agrees], vec![Differs]));
        let text = text(&results);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().any(|line| line.starts_with("kmsend") && line.ends_with("DIFFERS")), "{text}");
    }
}
