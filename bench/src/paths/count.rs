//! System calls counted, not claimed: a row runs by itself under `strace -c`, twice. What the longer run has more is
//! what its packets took; setting up falls out.

use super::formula;
use crate::{
    cpu,
    devices::Namespace,
    media::{Media, PAYLOAD},
    rows::{ROWS, Row},
};
use anyhow::{Context, bail, ensure};
use std::{
    collections::BTreeMap,
    env, fs,
    process::{Command, Stdio},
};

/// Packets that the longer run sends more, and that the shorter one sends: batches of 48 and of 49 come out even.
pub const PACKETS: u32 = 48 * 49;

/// One row, once: what runs under strace.
#[derive(Debug, clap::Args)]
pub struct OneOptions {
    /// The row
    row: String,
    /// How many packets it sends
    packets: usize,
}

/// System calls for each packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    pub per_packet: f64,
    pub by_call: BTreeMap<String, f64>,
}

/// Sends by one row to an `ifb`, and says nothing.
pub fn one(options: &OneOptions) -> anyhow::Result<()> {
    let row = ROWS.iter().find(|row| row.key == options.row).context("no such row")?;
    cpu::stay()?;
    let namespace = Namespace::enter_new()?;
    let megabytes = (2 * PACKETS as usize * PAYLOAD).div_ceil(1_000_000);
    let media = Media::random(u32::try_from(megabytes)?)?;
    let target = namespace.sink(1)?;
    let mut sender = (row.open)(&namespace, &target, &media)?;
    sender.send(&media, 0..options.packets)
}

/// Counts what `row` calls. An error says why that cannot be known.
pub fn count(row: &Row) -> anyhow::Result<Counted> {
    let (fewer, more) = (calls(row, PACKETS)?, calls(row, 2 * PACKETS)?);
    Ok(difference(&fewer, &more))
}

/// Whether the formula says what was counted; an error says how far they are apart.
pub fn agrees(row: &Row, counted: &Counted) -> anyhow::Result<()> {
    let claimed = formula::per_packet(row.calls)?;
    ensure!(
        formula::agrees(claimed, counted.per_packet, PACKETS),
        "{:.4} system calls were counted for each packet, {} are claimed",
        counted.per_packet,
        row.calls
    );
    Ok(())
}

fn calls(row: &Row, packets: u32) -> anyhow::Result<BTreeMap<String, u64>> {
    let table = tempfile::NamedTempFile::new().context("a file for strace")?;
    let mut strace = Command::new("strace");
    strace.args(["-c", "-U", "name,calls", "-o"]).arg(table.path()).arg(env::current_exe()?);
    strace.args(["paths-one", row.key, &packets.to_string()]).stdin(Stdio::null());
    let output = strace.output().context("cannot run strace (Debian package strace)")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("under strace: {}", said.lines().last().unwrap_or("it said nothing"));
    }
    Ok(read(&fs::read_to_string(table.path())?))
}

/// strace's table: a name and a number in each line, ruled off above and below.
fn read(table: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, calls) = (words.next()?, words.next()?.parse().ok()?);
        (name != "total").then(|| (name.to_owned(), calls))
    };
    table.lines().filter_map(line).collect()
}

/// What `more` has more, for each of [`PACKETS`]. A call or two more of a kind is chance (a buffer that grew).
fn difference(fewer: &BTreeMap<String, u64>, more: &BTreeMap<String, u64>) -> Counted {
    let added = |(name, &calls): (&String, &u64)| {
        let added = calls.saturating_sub(fewer.get(name).copied().unwrap_or_default());
        (added > 2).then(|| (name.clone(), added as f64 / f64::from(PACKETS)))
    };
    let by_call: BTreeMap<_, _> = more.iter().filter_map(added).collect();
    // A sum of nothing is minus zero.
    Counted { per_packet: by_call.values().sum::<f64>() + 0.0, by_call }
}

#[cfg(test)]
mod tests {
    use super::{Counted, PACKETS, agrees, difference, read};
    use crate::rows::{ROWS, rtp_sendfile};
    use std::collections::BTreeMap;

    const TABLE: &str = "syscall              calls\n---------------- ---------\nsendto                2352\n\
                         setsockopt            4704\nmmap                   40\n---------------- ---------\n\
                         total                 7096\n";

    #[test]
    fn strace_s_table_is_read_without_its_frame() {
        let calls = read(TABLE);
        assert_eq!(calls["setsockopt"], 4704);
        assert_eq!(calls.keys().collect::<Vec<_>>(), ["mmap", "sendto", "setsockopt"]);
    }

    #[test]
    fn what_both_runs_have_is_no_packet_s() {
        let calls = |factor: u64| {
            let packets = u64::from(PACKETS) * factor;
            BTreeMap::from(
                [("sendto", packets), ("mmap", 40 + factor), ("read", 7)].map(|(n, c)| (n.to_owned(), c)),
            )
        };
        let counted = difference(&calls(1), &calls(2));
        assert_eq!(counted.by_call.keys().collect::<Vec<_>>(), ["sendto"]);
        assert!((counted.per_packet - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_row_that_claims_too_little_is_found_out() {
        let counted = |per_packet| Counted { per_packet, by_call: BTreeMap::new() };
        agrees(&rtp_sendfile::ROW, &counted(4.0)).expect("4n");
        let error = agrees(&rtp_sendfile::ROW, &counted(5.0)).expect_err("not 4n");
        assert!(error.to_string().contains("4n"), "{error}");
    }

    #[test]
    fn every_row_s_formula_can_be_read_and_keys_are_one_row_s_each() {
        for row in ROWS {
            crate::paths::formula::per_packet(row.calls).expect(row.key);
            assert_eq!(ROWS.iter().filter(|other| other.key == row.key).count(), 1, "{}", row.key);
        }
    }
}
