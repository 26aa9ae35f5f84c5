//! The matrix as people read it.

use super::{
    machine::End,
    outcome::{Outcome, Tested},
    shown,
};
use std::fmt::Write;

/// One column per kernel, and below it what went wrong, by name.
pub fn of(outcomes: &[Outcome]) -> String {
    let mut rows = vec![row("kernel", outcomes, |outcome| outcome.series.name().to_owned())];
    rows.push(row("package", outcomes, |outcome| {
        outcome.package.split(' ').next().unwrap_or_default().to_owned()
    }));
    rows.push(row("version", outcomes, |outcome| {
        outcome.package.split(' ').nth(1).unwrap_or_default().to_owned()
    }));
    rows.push(row("loads", outcomes, |outcome| match outcome.verified {
        Some(instructions) => format!("yes, {instructions} instructions verified"),
        None => "no".to_owned(),
    }));
    rows.push(row("attaches", outcomes, |outcome| path(outcome).0));
    rows.push(row("path", outcomes, |outcome| path(outcome).1));
    rows.push(row("fq pacing", outcomes, |outcome| outcome.pacing.shown.clone()));
    for (number, test) in
        outcomes.first().map(|outcome| &outcome.tests[..]).unwrap_or_default().iter().enumerate()
    {
        rows.push(row(&test.name, outcomes, |outcome| outcome.tests[number].shown()));
    }
    rows.push(row("machine", outcomes, |outcome| match outcome.end {
        End::Done => "came through".to_owned(),
        End::OutOfTime => "ended: out of time".to_owned(),
        End::Died => "stopped in the middle".to_owned(),
    }));
    let mut text = aligned(&rows);
    for outcome in outcomes {
        text += &details(outcome);
    }
    text
}

fn row(title: &str, outcomes: &[Outcome], cell: impl Fn(&Outcome) -> String) -> Vec<String> {
    std::iter::once(title.to_owned()).chain(outcomes.iter().map(cell)).collect()
}

/// The hook, and the rest of the way.
fn path(outcome: &Outcome) -> (String, String) {
    let path = outcome.path.as_deref().unwrap_or("no, no stream");
    let (hook, rest) = path.split_once(", ").unwrap_or((path, ""));
    (hook.to_owned(), rest.to_owned())
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let line = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect::<Vec<_>>()
            .join("  ");
        _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// What failed, what cannot be shown, and where to read on.
fn details(outcome: &Outcome) -> String {
    let mut text = String::new();
    let name = outcome.series.name();
    for test in &outcome.tests {
        let Tested { name: binary, failed, not_here, words, .. } = test;
        for test in failed {
            _ = writeln!(text, "{name}: {binary}: {test} failed");
        }
        for what in not_here {
            _ = writeln!(text, "{name}: {binary}: not on this kernel: {what}");
        }
        if !words.is_empty() {
            _ = writeln!(text, "{name}: {binary} said:\n  {}", words.join("\n  "));
        }
    }
    for (step, words) in &outcome.words {
        _ = writeln!(text, "{name}: {step}, the last lines:\n  {}", words.join("\n  "));
    }
    if !outcome.is_good() {
        let place = shown(outcome.series).unwrap_or_default();
        _ = writeln!(text, "{name}: see {place}/results and {place}/console.log");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_stand_one_above_the_other() {
        let rows = [["a", "bcd", "e"], ["fgh", "i", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bcd  e\nfgh  i\n");
    }
}
