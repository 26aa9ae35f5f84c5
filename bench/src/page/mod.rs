//! What was measured as one page of HTML that needs nothing beside it, and as a table for Markdown.

mod cells;
mod charts;
pub mod command;
mod copies;
mod figures;
mod labels;
mod markdown;
mod model;
mod paper;
mod peers;
mod plot;
#[cfg(test)]
mod sample;
mod sections;
mod tables;

pub use figures::three;
pub use markdown::markdown;
pub use model::Machine;
pub use peers::{Peer, Peers, Sample, html as peers_html, markdown as peers_markdown};

use anyhow::Context;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::Results;
use serde::Deserialize;
use serde_json::Value;

/// `bench paths`' results as a page. Where `before` is among them, the run before this one, rows that differ from it
/// are marked.
pub fn html(results: &Value) -> anyhow::Result<String> {
    let results = read(results)?;
    Ok(framed("Data paths, twenty years on", &sections::all(&results)?))
}

/// The table of copies for a terminal, lines of at most 80 columns; empty where none were looked for.
pub fn copies(results: &Value) -> anyhow::Result<String> {
    Ok(copies::text(&read(results)?))
}

fn read(results: &Value) -> anyhow::Result<Results> {
    Results::deserialize(results).context("this is not what bench paths writes")
}

/// A whole page around `content`.
fn framed(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main { (content) } }
        }
    };
    page.into_string()
}

/// Where and when it was measured.
fn machine_line(machine: &Machine, date: &str) -> Markup {
    let memory = machine.memory_bytes as f64 / 1e9;
    let (bad, good): (Vec<_>, Vec<_>) =
        machine.mitigations.iter().partition(|(_, state)| !state.starts_with("Not affected"));
    html! {
        p.machine {
            span { "Linux " (machine.kernel) } " · " span { (machine.cpu) } " · "
            span { (machine.cores) " cores, " (three(memory)) " GB" } " · "
            span { "krtp " (machine.krtp) } " · " time datetime=(date) { (date) }
        }
        @if !machine.mitigations.is_empty() {
            details {
                summary { "Mitigations: " (bad.len()) " of " (bad.len() + good.len()) " flaws concern this processor" }
                dl.mitigations {
                    @for (flaw, state) in bad.iter().chain(&good) { dt { (flaw) } dd { (state) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{html, sample};
    use serde_json::json;

    #[test]
    fn the_page_needs_nothing_beside_it() {
        let page = html(&sample::json()).unwrap();
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let named = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!named.contains(outside), "{outside}");
        }
        assert!(page.starts_with("<!DOCTYPE html>"));
        assert_eq!(page.matches("<svg class=\"plot\"").count(), 6, "2, 3, 4a, 4b, 5 and today's");
        for svg in page.split("<svg ").skip(1) {
            let svg = format!("<svg {}</svg>", svg.split("</svg>").next().unwrap_or_default());
            roxmltree::Document::parse(&svg).expect("well-formed");
        }
    }

    #[test]
    fn words_of_rows_stay_words() {
        let mut run = sample::json();
        run["machine"]["cpu"] = json!("<script>alert(1)</script>");
        let page = html(&run).unwrap();
        assert!(!page.contains("<script>") && !page.contains("<two>"));
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;two&gt;"));
    }

    #[test]
    fn every_row_has_its_paragraph_and_what_was_left_out_is_said() {
        let run = sample::json();
        let page = html(&run).unwrap();
        for row in run["rows"].as_array().expect("rows") {
            let key = row["key"].as_str().expect("a key");
            assert!(page.contains(&format!("id=\"row-{key}\"")), "{key}");
        }
        assert!(page.contains("UDP_SEGMENT takes no packet larger than the MTU"));
    }

    #[test]
    fn without_a_run_before_that_is_said() {
        let mut run = sample::json();
        let none = "There was no run before this one";
        assert!(html(&run).unwrap().contains(none));
        run["before"] = sample::json();
        assert!(!html(&run).unwrap().contains(none));
    }

    #[test]
    fn a_row_that_did_not_deliver_says_why() {
        let mut run = sample::json();
        run["rows"][1]["delivers"] = json!(false);
        run["rows"][1]["why_not"] = json!("12 packets lost");
        for series in run["series"].as_array_mut().expect("series") {
            series["samples"].as_object_mut().expect("samples").remove("mmap_send");
        }
        assert!(html(&run).unwrap().contains("12 packets lost"));
        assert!(html(&json!({ "schema": 1 })).is_err());
    }
}
