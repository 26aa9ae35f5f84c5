//! What a person sees in the terminal.

use super::results::{Known, Results};
use crate::{
    cpu::Cost,
    media::PAYLOAD,
    rows::{APART, Group},
    stats::{Spread, ratios},
};
use std::fmt::Write;

/// The row that the others are compared with: the paper's best of what there was.
const REFERENCE: &str = "rtp_sendfile";
/// What the paper proposes, and by how much it was cheaper there, per cent.
const PROPOSED: (&str, f64) = ("krtpsendfile", 27.0);

const GROUPS: [(Group, &str); 4] = [
    (Group::Download, "A, content download: no RTP header"),
    (Group::Existing, "B, RTP by the system calls of 2006"),
    (Group::Enhanced, "C, RTP by calls that the authors added"),
    (Group::Today, "Today's rivals"),
];

/// The table of what the `sizes` series says at the usual payload; lines of at most 80 columns.
pub fn table(results: &Results) -> String {
    let mut text = format!(
        "{}, Linux {}, {}\n\
         CPU time per packet of {PAYLOAD} octets, unpaced, to an ifb without segmentation offload;\n\
         file in the page cache; {} rounds, medians (10th to 90th percentile).\n",
        results.date,
        results.machine["kernel"].as_str().unwrap_or_default(),
        results.machine["cpu"].as_str().unwrap_or_default(),
        results.rounds,
    );
    for (group, title) in GROUPS {
        let rows: Vec<_> = results.rows.iter().filter(|known| known.row.group == group).collect();
        if rows.is_empty() {
            continue;
        }
        let heads = ["ns/packet", "by rtp_sendfile's", "calls", "Gb/s"];
        push(&mut text, &format!("\n{title}\n{}", aligned("", &heads.map(str::to_owned))));
        for known in rows {
            push(&mut text, &line(results, known));
        }
    }
    push(&mut text, "");
    push(&mut text, &verdict(results));
    for known in &results.rows {
        let key = known.row.key;
        if APART.contains(&key) {
            push(&mut text, &format!("{key}: not datagrams but TCP, to a process that answers: not ranked"));
        }
        for said in known.why_not.iter().chain(&known.miscounted).chain(known.counted.as_ref().err()) {
            push(&mut text, &format!("{key}: {said}"));
        }
    }
    text
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{}", line.trim_end()).expect("a string has room");
}

fn aligned(name: &str, columns: &[String; 4]) -> String {
    let [ns, ratio, calls, speed] = columns;
    format!("{name:<23}{ns:>20}{ratio:>19}{calls:>9}{speed:>8}")
}

fn line(results: &Results, known: &Known) -> String {
    let name = format!("{}{}", known.row.key, if known.row.added { " †" } else { "" });
    let Some(samples) = cpu(results, known.row.key) else {
        return format!("{name:<23}not measured, see below");
    };
    let spread = Spread::of(samples.iter().copied());
    let ns = spread.map_or_else(String::new, |ns| format!("{:.0} ({:.0}-{:.0})", ns.median, ns.low, ns.high));
    let speed = spread.map_or_else(String::new, |ns| format!("{:.2}", PAYLOAD as f64 * 8.0 / ns.median));
    let ratio = ratio(results, known.row.key);
    let ratio = ratio.map_or_else(
        || "-".into(),
        |ratio| format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high),
    );
    let calls =
        known.counted.as_ref().map_or_else(|_| "?".into(), |counted| format!("{:.3}", counted.per_packet));
    aligned(&name, &[ns, ratio, calls, speed])
}

/// Nanoseconds per packet of a row, round by round.
fn cpu(results: &Results, key: &str) -> Option<Vec<f64>> {
    let usual =
        |condition: &super::condition::Condition| condition.name == "sizes" && condition.payload == PAYLOAD;
    let series = results.series.iter().find(|series| usual(&series.condition))?;
    Some(series.samples.get(key)?.iter().map(Cost::cpu).collect())
}

fn ratio(results: &Results, key: &str) -> Option<Spread> {
    if APART.contains(&key) {
        return None;
    }
    Spread::of(ratios(&cpu(results, key)?, &cpu(results, REFERENCE)?))
}

fn verdict(results: &Results) -> String {
    let (key, paper) = PROPOSED;
    ratio(results, key).map_or_else(String::new, |ratio| {
        let [median, most, least] = [ratio.median, ratio.low, ratio.high].map(|ratio| (1.0 - ratio) * 100.0);
        format!("{key} takes {median:.0} % ({least:.0}-{most:.0} %) less than {REFERENCE}; the paper's took {paper} % less.")
    })
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::paths::results::tests::results;

    #[test]
    fn lines_fit_and_every_row_has_one() {
        let results = results();
        let table = table(&results);
        for line in table.lines() {
            assert!(line.chars().count() <= 90, "too wide: {line}");
        }
        for known in &results.rows {
            let key = known.row.key;
            assert!(table.lines().any(|line| line.split_whitespace().next() == Some(key)), "{key}");
        }
    }

    #[test]
    fn ratios_do_not_follow_the_machine_s_mood() {
        let results = results();
        // The time of each row is 1000 and 100 for each row before it, in a round of mood one.
        let place = |key: &str| results.rows.iter().position(|known| known.row.key == key).expect(key) as f64;
        let time = |key: &str| 1000.0 + 100.0 * place(key);
        let table = table(&results);
        let line = table.lines().find(|line| line.starts_with("read_write ")).expect("a line");
        let ratio = format!("{:.2}", time("read_write") / time("rtp_sendfile"));
        assert!(line.contains(&format!("{ratio} ({ratio}-{ratio})")), "{line}");
        assert!(line.contains(&format!("{:.0} (", time("read_write") * 1.5)), "{line}");
    }

    #[test]
    fn a_row_that_was_not_measured_says_why() {
        let mut results = results();
        results.rows[0].why_not = Some("12 packets did not arrive".into());
        results.series[0].samples.remove("read_write");
        let table = table(&results);
        assert!(table.contains("read_write: 12 packets did not arrive"), "{table}");
        assert!(table.contains("not measured, see below"), "{table}");
    }
}
