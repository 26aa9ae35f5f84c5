//! `bench peers`' results as a page and as a table for Markdown.

use super::{cells::spread, figures::three, framed, machine_line, model::Machine};
use crate::stats::{Spread, ratios};
use anyhow::Context;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

/// One run: `peers.json`.
#[expect(clippy::struct_field_names, reason = "as it stands in the file")]
#[derive(Debug, Deserialize, Serialize)]
pub struct Peers {
    /// Of this form.
    pub schema: u32,
    /// RFC 3339.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// Turns of each peer.
    pub rounds: u32,
    /// Where packets went.
    pub device: String,
    /// The peers; the first is the one that the others are compared with.
    pub peers: Vec<Peer>,
}

/// One sender.
#[derive(Debug, Deserialize, Serialize)]
pub struct Peer {
    /// Its name on the command line.
    pub key: String,
    /// Its name in tables.
    pub name: String,
    /// What it calls itself.
    pub version: String,
    /// Its command line.
    pub command: String,
    /// Whether it keeps to the media's time, and was measured so.
    pub paced: bool,
    /// What else there is to know.
    pub note: String,
    /// Seconds of media in the file that it sent.
    pub seconds: u32,
    /// Octets of that file.
    pub octets: u64,
    /// Whether the interface that it sends through cuts UDP batches apart by itself.
    pub offload: bool,
    /// Whether the receiver had what it should.
    pub delivers: bool,
    /// Why not, or why it was not tried.
    pub why_not: Option<String>,
    /// One for each round.
    pub samples: Vec<Sample>,
}

/// A whole process, from its start to its end.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Sample {
    /// Seconds in user space.
    pub user: f64,
    /// Seconds in the kernel.
    pub system: f64,
    /// Seconds that it took.
    pub wall: f64,
    /// Octets of payload that it sent: the file's, or those of the multiplex that it makes of the file.
    pub octets: u64,
}

impl Peer {
    /// CPU seconds for 1 GB of payload.
    pub fn per_gigabyte(&self, part: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(|sample| part(sample) * 1e9 / sample.octets as f64))
    }

    /// What `self` costs for each octet by what `other` costs, round by round.
    pub fn ratio(&self, other: &Self) -> Option<Spread> {
        let costs = |peer: &Self| -> Vec<f64> {
            peer.samples.iter().map(|sample| cpu(sample) / sample.octets as f64).collect()
        };
        let [ours, theirs] = [self, other].map(costs);
        (ours.len() == theirs.len() && !theirs.contains(&0.0)).then(|| Spread::of(ratios(&ours, &theirs)))?
    }

    /// How it was run, in a word or two.
    pub fn pace(&self) -> &'static str {
        match (self.paced, self.offload) {
            (true, _) => "paced",
            (false, false) => "unpaced",
            (false, true) => "unpaced, offload",
        }
    }
}

/// CPU of a sample.
pub fn cpu(sample: &Sample) -> f64 {
    sample.user + sample.system
}

fn read(results: &Value) -> anyhow::Result<Peers> {
    Peers::deserialize(results).context("this is not what bench peers writes")
}

/// The page.
pub fn html(results: &Value) -> anyhow::Result<String> {
    let peers = read(results)?;
    let longest = peers.peers.iter().filter_map(|peer| peer.per_gigabyte(cpu)).map(|spread| spread.median);
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let first = peers.peers.first();
    Ok(framed(
        "Senders as people run them",
        &html! {
            header {
                h1 { "Senders as people run them" }
                p.lead { "Whole processes that send one MPEG transport stream as RTP: CPU seconds, user and system, for 1 GB of payload." }
                (machine_line(&peers.machine, &peers.date))
            }
            section {
                h2 { "CPU to send 1 GB" }
                p.key { span.swatch.user {} " user space" span.swatch.system {} " kernel" }
                div.bars { @for peer in &peers.peers { (bar(peer, longest)) } }
                p.note {
                    (peers.rounds) " rounds, all peers in each; medians, ratios within a round, small the 10th to the 90th percentile. To " (peers.device)
                    ". A process's start is in its cost. Who is paced sleeps in between and wakes up for each packet or some: that is part of its work, and is not in the others'."
                }
            }
            section { h2 { "All of it" } div.wide { table {
                thead { tr { th { "sender" } th { "CPU s a GB" } th { "user" } th { "system" } th { "times " (first.map_or("", |peer| peer.name.as_str())) } th { "file" } } }
                tbody { @for peer in &peers.peers { tr {
                    th scope="row" { (peer.name) small { (peer.pace()) } }
                    @match peer.per_gigabyte(cpu) {
                        Some(all) if peer.delivers => {
                            td { (spread(all, three)) }
                            @for part in [|sample: &Sample| sample.user, |sample: &Sample| sample.system] {
                                td { (peer.per_gigabyte(part).map_or_else(String::new, |part| three(part.median))) }
                            }
                            td { @if let Some(ratio) = first.and_then(|first| peer.ratio(first)) { (spread(ratio, three)) } }
                        },
                        _ => td colspan="4" .missing { (peer.why_not.as_deref().unwrap_or("not measured")) },
                    }
                    td { (peer.seconds) " s" small { (three(peer.octets as f64 / 1e6)) " MB" } }
                } } }
            } } }
            section { h2 { "How each was run" } div.cards { @for peer in &peers.peers { (card(peer)) } } }
        },
    ))
}

fn bar(peer: &Peer, longest: f64) -> Markup {
    let part = |part: fn(&Sample) -> f64| peer.per_gigabyte(part).map_or(0.0, |spread| spread.median);
    let (user, system) = (part(|sample| sample.user), part(|sample| sample.system));
    let share = |part: f64| format!("{:.2}%", part / longest * 100.0);
    html! {
        span.of { (peer.name) " " small { (peer.pace()) } }
        span.bar title={ "user " (three(user)) " s, system " (three(system)) " s" } {
            span.user style={ "width:" (share(user)) } {}
            span.system style={ "width:" (share(system)) } {}
        }
        span.number { @match peer.per_gigabyte(cpu) { Some(all) => { (three(all.median)) " s" }, None => "–" } }
    }
}

fn card(peer: &Peer) -> Markup {
    html! {
        article {
            h4 { (peer.name) }
            p.figures-of { (peer.version) " · " (peer.pace()) }
            @if let Some(why) = &peer.why_not { p.mark { (why) } }
            pre { code { (peer.command) } }
            @if !peer.note.is_empty() { p { (peer.note) } }
        }
    }
}

/// The table in Markdown.
pub fn markdown(results: &Value) -> anyhow::Result<String> {
    let peers = read(results)?;
    let mut text = format!(
        "{}, Linux {}, {}; {} rounds, to {}.\n\n| sender | | CPU s/GB | user | system | × {} |\n|---|---|---:|---:|---:|---:|\n",
        peers.date,
        peers.machine.kernel,
        peers.machine.cpu,
        peers.rounds,
        peers.device,
        peers.peers.first().map_or("", |peer| peer.name.as_str())
    );
    for peer in &peers.peers {
        write!(text, "| {} | {} |", peer.name, peer.pace())?;
        let Some(all) = peer.per_gigabyte(cpu).filter(|_| peer.delivers) else {
            writeln!(text, " {} | | | |", peer.why_not.as_deref().unwrap_or("not measured"))?;
            continue;
        };
        let part = |part: fn(&Sample) -> f64| {
            peer.per_gigabyte(part).map_or_else(String::new, |part| three(part.median))
        };
        let ratio = peers.peers.first().and_then(|first| peer.ratio(first));
        let ratio = ratio.map_or_else(String::new, |ratio| {
            format!("{} ({}–{})", three(ratio.median), three(ratio.low), three(ratio.high))
        });
        let all = format!("{} ({}–{})", three(all.median), three(all.low), three(all.high));
        writeln!(
            text,
            " {all} | {} | {} | {ratio} |",
            part(|sample| sample.user),
            part(|sample| sample.system)
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{html, markdown};
    use serde_json::{Value, json};

    fn peer(key: &str, cpu: f64, delivers: bool) -> Value {
        let samples = [1.0, 1.2, 2.0]
            .map(|mood| json!({ "user": cpu * mood / 4.0, "system": cpu * mood * 0.75, "wall": 1.0, "octets": 500_000_000u64 }));
        json!({
            "key": key, "name": format!("<{key}>"), "version": "1.0", "command": format!("{key} --to x"),
            "paced": false, "note": "", "seconds": 60, "octets": 500_000_000u64, "delivers": delivers,
            "why_not": (!delivers).then_some("it refuses root"),
            "offload": key == "krtp", "samples": if delivers { samples.to_vec() } else { Vec::new() },
        })
    }

    fn run() -> Value {
        json!({
            "schema": 1, "date": "2026-11-23T09:00:00Z", "rounds": 3, "device": "a veth",
            "machine": { "kernel": "6.18", "cpu": "made up", "cores": 2, "memory_bytes": 1, "krtp": "0.1.0" },
            "peers": [peer("krtp", 0.1, true), peer("ffmpeg", 2.0, true), peer("vlc", 0.0, false)],
        })
    }

    #[test]
    fn peers_are_compared_round_by_round() {
        let text = markdown(&run()).unwrap();
        assert!(
            text.contains("| <ffmpeg> | unpaced | 4.80 (4.16–7.36) | 1.20 | 3.60 | 20.0 (20.0–20.0) |"),
            "{text}"
        );
        assert!(text.contains("it refuses root"), "{text}");
        let page = html(&run()).unwrap();
        assert!(page.contains("&lt;ffmpeg&gt;") && page.contains("it refuses root"), "{page}");
        assert!(html(&json!({})).is_err());
    }
}
