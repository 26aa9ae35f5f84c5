//! The quick comparison: each row checked, then all measured in turns.

use crate::{
    bystander, check, cpu,
    devices::{Namespace, UNLIMITED},
    lane::{self, Lane, PARTS},
    media::Media,
    report::{Conditions, Measured},
    rows::{Row, krtpsendfile, read_writev, rtp_sendfile, user_gso},
};
use anyhow::{Context, bail};

/// What is compared, each by the name that it has in tables and JSON; the first
/// is the one that the others are compared with.
const ROWS: &[(&str, Row)] = &[
    ("krtp", krtpsendfile::ROW),
    ("read_writev", read_writev::ROW),
    ("rtp_sendfile", rtp_sendfile::ROW),
    ("user_gso", user_gso::ROW),
];

/// Checks, measures, prints.
pub fn run(options: &lane::Turns) -> anyhow::Result<()> {
    cpu::stay()?;
    let namespace = Namespace::enter_new()?;
    let media = Media::random(options.megabytes)?;
    check_all(&namespace, &media)?;
    eprintln!("krtp-bench: every row delivers the file; measuring {} rounds", options.rounds);
    let pair = [namespace.sink(100)?, namespace.sink(101)?];
    let measured = Measured {
        names: ROWS.iter().map(|(name, _)| *name).collect(),
        rounds: measure(&namespace, &media, options.rounds)?,
        bystander: bystander::sending(&namespace, &pair, options.rounds)?,
        bystander_program: bystander::program()?,
    };
    let conditions = Conditions::here(&media.part(0, PARTS))?;
    if options.json {
        println!("{:#}", measured.json(&conditions));
    } else {
        print!("{}", measured.tables(&conditions));
    }
    Ok(())
}

fn check_all(namespace: &Namespace, media: &Media) -> anyhow::Result<()> {
    let (target, peer) = namespace.peer(UNLIMITED)?;
    let failed = ROWS
        .iter()
        .filter_map(|(name, row)| {
            let error = check::run(row, namespace, &target, &peer, media, check::PACKETS).err()?;
            eprintln!("krtp-bench: {name}: {error:#}");
            Some(*name)
        })
        .collect::<Vec<_>>();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("no figures: {} did not deliver the file as RTP", failed.join(", "))
}

/// Nanoseconds per packet: for each round, one sample per row. Each row has an
/// `ifb` of its own, so that krtp's program is on nobody else's way.
fn measure(namespace: &Namespace, media: &Media, rounds: u32) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut lanes = Vec::new();
    for (number, (name, row)) in (1..).zip(ROWS) {
        let target = namespace.sink(number)?;
        let sender = (row.open)(namespace, &target, media).with_context(|| format!("opening {name}"))?;
        lanes.push(Lane { name: (*name).into(), target, sender });
    }
    lane::in_turns(&mut lanes, media, rounds)
}
