//! The paper's figures, redrawn: which rows each has.

use super::{
    figures::{REFERENCE, crossing, thousands, three},
    model::{Group, Results, Row},
    plot::{Chart, Line, Point},
};
use crate::{rows::APART, stats::Spread};
use maud::{Markup, PreEscaped, html};

/// A figure of rows.
struct Figure {
    title: &'static str,
    caption: &'static str,
    has: fn(&Row) -> bool,
    /// Whether [`REFERENCE`] is drawn beside them.
    compared: bool,
}

/// The kernel writes the header.
fn by_kernel(row: &Row) -> bool {
    row.group == Group::Enhanced && row.key.starts_with("krtp")
}

const FIGURES: [Figure; 5] = [
    Figure {
        title: "Figure 3: download, no header",
        caption: "The paper's group A: the file's octets alone. In grey sendfile over TCP, which does other work: not to be ranked with the others.",
        has: |row| row.group == Group::Download,
        compared: false,
    },
    Figure {
        title: "Figure 4a: RTP by existing calls",
        caption: "The paper's group B: what user space could do in 2006 and can today.",
        has: |row| row.group == Group::Existing,
        compared: false,
    },
    Figure {
        title: "Figure 4b: enhanced, user space writes the header",
        caption: "Those of group C in which the header comes from user space, beside rtp_sendfile.",
        has: |row| row.group == Group::Enhanced && !by_kernel(row),
        compared: true,
    },
    Figure {
        title: "Figure 5: enhanced, the kernel writes the header",
        caption: "Those of group C in which the kernel makes the RTP header, today krtp's engine, beside rtp_sendfile.",
        has: by_kernel,
        compared: true,
    },
    Figure {
        title: "Today: what an expert would use",
        caption: "Not in the paper: ways that Linux has got since, beside rtp_sendfile and krtp's kernel engine.",
        has: |row| row.group == Group::Today || row.key == "krtpsendfile",
        compared: true,
    },
];

/// All figures.
pub fn all(results: &Results) -> anyhow::Result<Markup> {
    let mut drawn = vec![machine(results)?];
    for figure in FIGURES {
        drawn.push(rows(results, &figure)?);
    }
    Ok(html! {
        div.figures { @for figure in drawn { (figure) } }
        p.note {
            "Both axes are logarithmic; points are medians, the broad strokes at them reach from the 10th to the 90th \
             percentile. How the paper shares out its rows among 4a, 4b and 5 was not at hand; the sharing here is \
             ours: existing calls, header by user space, header by the kernel. Points that a row cannot have are left \
             out; the list below the table says why."
        }
    })
}

/// The figure with rows against the size of payloads.
fn rows(results: &Results, figure: &Figure) -> anyhow::Result<Markup> {
    let rows = results.rows.iter().filter(|row| (figure.has)(row) || figure.compared && row.key == REFERENCE);
    let line = |row: &Row| Line {
        name: row.key.clone(),
        quiet: figure.compared && row.key == REFERENCE || APART.contains(&row.key.as_str()),
        points: results.curve(&row.key).iter().map(|(octets, seconds)| point(*octets, *seconds)).collect(),
    };
    let mut lines: Vec<Line> = rows.map(line).collect();
    lines.sort_by_key(|line| !line.name.starts_with("krtp"));
    let chart = Chart {
        title: figure.title,
        x: "octets of payload",
        y: "CPU seconds to send 1 GB",
        ticks: apart(results.sizes().iter().map(|series| f64::from(series.payload))),
        lines,
    };
    Ok(framed(figure.title, chart.svg()?, &html! { (figure.caption) }))
}

/// The paper's Figure 2: a copy and a call.
fn machine(results: &Results) -> anyhow::Result<Markup> {
    let title = "Figure 2: a copy, and a call that does nothing";
    let mut copies: Vec<(f64, Spread)> = results
        .curves
        .memcpy
        .iter()
        .filter_map(|copying| Some((copying.octets, Spread::of(copying.ns.iter().copied())?)))
        .collect();
    copies.sort_by(|one, other| one.0.total_cmp(&other.0));
    let call = Spread::of(results.curves.null_call.ns.iter().copied());
    let mut lines = vec![Line {
        name: "memcpy".into(),
        quiet: false,
        points: copies.iter().map(|(x, y)| point(*x, *y)).collect(),
    }];
    if let (Some(call), Some(first), Some(last)) = (call, copies.first(), copies.last()) {
        let points = [first.0, last.0].map(|octets| point(octets, call)).into();
        lines.push(Line { name: "null system call".into(), quiet: false, points });
    }
    let sizes = copies.iter().map(|(octets, _)| *octets);
    let chart = Chart { title, x: "octets that are copied", y: "nanoseconds", ticks: apart(sizes), lines };
    let medians: Vec<_> = copies.iter().map(|(octets, nanos)| (*octets, nanos.median)).collect();
    let caption = html! {
        "What the paper's argument rests on, on this machine."
        @if let Some(call) = call {
            " A call that does nothing takes " (three(call.median)) " ns"
            @if let Some(octets) = crossing(&medians, call.median) {
                ", as long as copying about " (thousands(octets)) " octets"
            }
            "."
        }
    };
    Ok(framed(title, chart.svg()?, &caption))
}

fn framed(title: &str, svg: Option<String>, caption: &Markup) -> Markup {
    html! {
        figure {
            h3 { (title) }
            @match svg {
                Some(svg) => (PreEscaped(svg)),
                None => p.missing { "Not measured in this run." },
            }
            figcaption { (caption) }
        }
    }
}

fn point(x: f64, y: Spread) -> Point {
    Point { x, y: y.median, spread: (y.low, y.high) }
}

/// Of sorted numbers those whose names have room on an axis.
fn apart(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let numbers: Vec<f64> = numbers.collect();
    let whole = numbers.first().zip(numbers.last()).map_or(1.0, |(first, last)| (last / first).ln());
    let mut shown: Vec<f64> = Vec::new();
    for number in numbers {
        if shown.last().is_none_or(|last| (number / last).ln() > whole / 7.5) {
            shown.push(number);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{FIGURES, apart};
    use crate::page::{model::Group, sample};

    #[test]
    fn every_row_is_in_a_figure() {
        let results = sample::results();
        for row in &results.rows {
            let figures = FIGURES.iter().filter(|figure| (figure.has)(row)).count();
            assert!(figures == 1 || row.key == "krtpsendfile" && figures == 2, "{}: {figures}", row.key);
        }
        assert_eq!(results.group(Group::Existing).count(), 5);
    }

    #[test]
    fn numbers_on_an_axis_have_room() {
        let sizes = [100.0, 500.0, 1_000.0, 1_316.0, 1_460.0, 2_900.0, 4_000.0];
        assert_eq!(apart(sizes.into_iter()), [100.0, 500.0, 1_000.0, 2_900.0]);
        assert_eq!(apart([].into_iter()), [0.0; 0]);
    }
}
