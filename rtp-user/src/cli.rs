//! The command line.

pub(crate) mod headers;
mod stream;
pub(crate) mod values;

pub use stream::Stream;
pub use values::check_max_rate;

use crate::{net::qdisc::Kind, prepare, watch};
use clap::{ArgAction, Parser, Subcommand};
use std::{num::NonZeroUsize, path::PathBuf};
use values::{parse_max_rate, parse_pid};

/// Streams media files as RTP with the kernel doing the per-packet work.
#[derive(Debug, Parser)]
#[command(name = "krtp", version, max_term_width = 100)]
pub struct Cli {
    /// Show more: what krtp does, and the log of its program in the kernel (-vv: all of it)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what this host and interface can do, what krtp will therefore use, and how to get more
    Doctor {
        /// The interface; all that are up if none is named
        interface: Option<String>,
        /// Load the program and list its parts
        #[arg(long)]
        load: bool,
    },
    /// Load the program, attach it to an interface and keep it there until `detach`
    Attach {
        /// The interface
        interface: String,
        /// How many flows it can hold at a time
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        flows: u32,
        /// The qdisc to have there until `detach`; what was there is then put back
        #[arg(long, value_enum, value_name = "KIND")]
        qdisc: Option<Kind>,
        /// The most that one flow may send through that fq, headers included: what a stall of the host has
        /// held up then leaves at this rate and not at once. It holds for all flows on the interface
        #[arg(long, value_name = "BITRATE", value_parser = parse_max_rate)]
        max_rate: Option<u32>,
    },
    /// Undo `attach` wholly
    Detach {
        /// The interface
        interface: String,
    },
    /// Read a file once, say what is in it, and keep what playing needs to know
    Probe {
        /// The file: an MPEG transport stream
        file: PathBuf,
        /// PID whose PCRs are the clock, decimal or 0x… [default: the first programme's]
        #[arg(long, value_name = "PID", value_parser = parse_pid)]
        pcr_pid: Option<u16>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Read files and whole directories beforehand, at the lowest priority, so that playing starts at once
    ///
    /// What is known already is not read again. All indexes together take no more than
    /// `KRTP_INDEX_LIMIT` says (1GiB by default): those first that were used least recently are removed.
    Index {
        /// Files, and directories with all that is below them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Files at a time [default: one for each processor]
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a copy of a file in which each packet is complete: the cheapest to send to many viewers
    Prepare(Box<prepare::Arguments>),
    /// Stream a file as RTP
    Stream(Box<Stream>),
    /// Show the flows in the maps, live
    Flows {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Once a second, until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// Follow the RTP that arrives on an interface: losses, jitter, bursts
    Watch(Box<watch::Arguments>),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
