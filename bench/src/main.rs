//! krtp-bench: what a packet costs, by krtp and by other ways of sending the
//! same file.

mod bystander;
mod check;
mod cpu;
mod devices;
mod flows;
mod growth;
mod kernel;
mod lane;
mod media;
mod pacing;
mod page;
mod paths;
mod peers;
mod profile;
mod quick;
mod report;
mod rows;
mod speed;
mod stats;
mod stream;
mod watcher;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures what sending a file as RTP costs.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// krtp against the obvious ways to do the same, in under a minute.
    Quick(lane::Turns),
    /// Where krtp's own time goes: each step of the program, and the whole way by profile.
    Kernel(kernel::Options),
    /// How near to their time packets leave: krtp and other senders, one after the other.
    Pacing(pacing::Options),
    /// What many streams at once cost, paced without fq: krtp's in one process, and ffmpeg's.
    Flows(flows::Options),
    /// What krtp is to be as fast as, and whether it is: every bar in one run.
    Speed(speed::Options),
    /// What a packet costs as things grow: batches, flows, cores, files larger than memory.
    Growth(growth::Options),
    /// The paper's data paths on today's kernel, and today's beside them.
    Paths(paths::Options),
    /// Senders as people run them: whole processes that send one file.
    Peers(peers::Options),
    /// One row, for `paths` to count its system calls.
    #[command(hide = true)]
    PathsOne(paths::count::OneOptions),
    /// Draws the page of a run again, from its JSON.
    #[command(hide = true)]
    Page(page::command::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Quick(options) => quick::run(&options),
        Command::Kernel(options) => kernel::run(&options),
        Command::Pacing(options) => pacing::run(&options),
        Command::Flows(options) => flows::run(&options),
        Command::Speed(options) => speed::run(&options),
        Command::Growth(options) => growth::run(&options),
        Command::Paths(options) => paths::run(&options),
        Command::Peers(options) => peers::run(&options),
        Command::PathsOne(options) => paths::count::one(&options),
        Command::Page(options) => page::command::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("krtp-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
