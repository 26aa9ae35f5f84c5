//! The table for a page of documentation.

use super::{
    cells::GROUPS,
    copies,
    figures::{REFERENCE, gigabits, noise, per_gigabyte, thousands, three},
    model::Row,
    read,
};
use crate::{rows::APART, stats::Spread};
use serde_json::Value;
use std::fmt::Write;

/// `bench paths`' rows at the usual payload as a table in Markdown, and where it was measured.
pub fn markdown(results: &Value) -> anyhow::Result<String> {
    let results = read(results)?;
    let mut text = String::new();
    let machine = &results.machine;
    writeln!(
        text,
        "{}, Linux {}, {}, {} cores; {} rounds, {} MB{}.\n",
        results.date,
        machine.kernel,
        machine.cpu,
        machine.cores,
        results.rounds,
        results.megabytes,
        if results.quick { ", quick" } else { "" }
    )?;
    let Some(usual) = results.usual() else { return Ok(text) };
    writeln!(
        text,
        "| row | s | calls/packet | copies | ns/packet | × {REFERENCE} | CPU s/GB | Gb/s per core |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|")?;
    let noisy = noise(&results);
    let is_noisy = |row: &Row| noisy.as_ref().is_some_and(|noisy| noisy.contains_key(row.key.as_str()));
    for (group, title) in GROUPS {
        for (at, row) in results.group(group).enumerate() {
            if at == 0 {
                writeln!(text, "| **{title}** | | | | | | | |")?;
            }
            let apart = APART.contains(&row.key.as_str());
            let sign = if row.added {
                "†"
            } else if apart {
                "‡"
            } else {
                ""
            };
            let noisy = if is_noisy(row) { " (noisy)" } else { "" };
            let counted = row.counted.as_ref().map_or("–".to_owned(), |counted| three(counted.per_packet));
            let copies = copies::count_text(&results, row);
            write!(text, "| `{}`{sign}{noisy} | {} | {counted} | {copies} |", row.key, row.calls)?;
            let Some(nanos) = usual.nanos(&row.key) else {
                writeln!(text, " – | – | – | – |")?;
                continue;
            };
            let ratio =
                usual.ratio(&row.key, REFERENCE).map_or("–".to_owned(), |ratio| spread(ratio, three));
            let seconds = three(per_gigabyte(nanos, usual.payload).median);
            let bits = three(gigabits(nanos.median, usual.payload));
            writeln!(text, " {} | {ratio} | {seconds} | {bits} |", spread(nanos, thousands))?;
        }
    }
    Ok(text)
}

fn spread(spread: Spread, show: impl Fn(f64) -> String) -> String {
    format!("{} ({}–{})", show(spread.median), show(spread.low), show(spread.high))
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use crate::page::sample;

    #[test]
    fn every_line_of_the_table_has_all_columns() {
        let text = markdown(&sample::json()).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines.len(), 2 + 4 + 24, "{text}");
        for line in &lines {
            assert_eq!(line.matches('|').count(), 9, "{line}");
        }
        let krtp = lines.iter().find(|line| line.starts_with("| `krtpsendfile`† |")).expect("krtp's line");
        assert!(krtp.contains("| n/49 | 0.020 | 1 |") && krtp.contains("| 0.198 (0.198–0.198) |"), "{krtp}");
    }
}
