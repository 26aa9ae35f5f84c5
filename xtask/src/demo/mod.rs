//! `demo`: the bundled sample, streamed between two network namespaces of this host, and what arrives.

mod cable;
mod receiver;
mod sender;
mod tally;
mod verdict;

use crate::{
    krtp, places, process, sample,
    setup::{self, Group},
};
use anyhow::{Context, Result, bail};
use cable::Cable;
use receiver::Receiver;
use sender::Sender;
use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};
use verdict::Verdict;

/// `demo`'s arguments.
#[derive(clap::Args)]
pub struct Options {
    /// krtp is built already (set when the demo runs itself again as root)
    #[arg(long, hide = true)]
    built: bool,
}

/// How long we listen before we look at anything else.
const TURN: Duration = Duration::from_millis(50);
/// After the sender's end, silence of this length is the stream's end.
const SILENCE: Duration = Duration::from_millis(500);
/// What the stream may take beyond the media's duration before we end it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sets up, streams, judges.
pub fn run(options: &Options) -> Result<()> {
    let binary = if options.built {
        places::release("krtp")?
    } else {
        setup::ensure(&[Group::Demo])?;
        println!("Building krtp; the first time takes a few minutes …");
        krtp::build()?
    };
    if !process::is_root() {
        let mut again = process::as_root(env::current_exe()?)?;
        println!("Namespaces and BPF need root: the demo runs itself again through sudo.");
        return process::become_(again.args(["demo", "--built"]));
    }
    let stop = process::on_signals()?;
    let file = fs::read(places::root().join(sample::FILE)).context(sample::FILE)?;
    show(&binary, &file, &stop)
}

fn show(binary: &Path, file: &[u8], stop: &AtomicBool) -> Result<()> {
    let cable = Cable::lay()?;
    println!("Two network namespaces of this host, a cable between them:\n\n{}\n", picture(&cable));
    let mut receiver = Receiver::listen(&cable.b)?;
    let mut sender = Sender::start(&cable.a, binary)?;
    let ended = listen(&mut receiver, &mut sender, file.len() as u64, stop);
    // The sender first, then the namespace it lives in.
    sender.stop()?;
    ended?;
    let refused = receiver.refused()?;
    let verdict = Verdict { file, tally: &receiver.tally, refused };
    println!("\nWhat the receiver in {} says:\n\n{verdict}", cable.b.name());
    if !verdict.is_good() {
        bail!("the stream did not arrive as it should have");
    }
    println!("Every byte of {} arrived, in order, and in time.", sample::FILE);
    Ok(())
}

/// The namespaces above, their ends of the cable below.
fn picture(cable: &Cable) -> String {
    let (a, b) = (cable.a.name(), cable.b.name());
    let (left, right) = (format!("{} veth0", cable::SENDER), format!("veth0 {}", cable::RECEIVER));
    let width = a.len().max(left.len());
    format!("  {a:width$}             {b}\n  {left:width$} ═══════════ {right}")
}

/// Receives until the stream's end, and shows the flow when half of it has come.
fn listen(receiver: &mut Receiver, sender: &mut Sender, octets: u64, stop: &AtomicBool) -> Result<()> {
    let deadline = Instant::now() + sample::duration(octets) + PATIENCE;
    let mut shown = false;
    loop {
        receiver.receive(TURN)?;
        if stop.load(Relaxed) {
            bail!("interrupted");
        }
        if Instant::now() > deadline {
            bail!("the stream does not end");
        }
        if !shown && receiver.tally.octets * 2 >= octets {
            shown = true;
            sender.show_flows()?;
        }
        if let Some(ended) = sender.ended()? {
            let quiet = receiver.tally.last_arrival().unwrap_or(ended).max(ended).elapsed();
            if receiver.tally.octets >= octets || quiet >= SILENCE {
                return Ok(());
            }
        }
    }
}
