//! The command line of `krtp watch`.

use super::{Mode, Options, clocks};
use crate::cli::values::{parse_number, parse_time};
use clap::Args;
use std::time::Duration;

/// Options of `krtp watch`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The interface
    #[arg(value_name = "IFACE")]
    pub interface: String,
    /// Follow this destination port only; may be given more than once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// Follow this SSRC only, decimal or 0x…
    #[arg(long, value_name = "X", value_parser = parse_number)]
    pub ssrc: Option<u32>,
    /// Clock rate of a payload type that has none of its own; may be given more than once
    #[arg(long, value_name = "PT=HZ", value_parser = clocks::parse)]
    pub clock_rate: Vec<(u8, u32)>,
    /// Where the program runs
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
    /// Drop what is followed: a sink that costs almost nothing
    #[arg(long)]
    pub drop: bool,
    /// How many streams there is room for (20 KiB each)
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub streams: u32,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub r#for: Option<Duration>,
    /// End when so many packets have come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// End when nothing has come for so long, once something has
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub idle: Option<Duration>,
    /// Report as one JSON object at the end
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// The options.
    pub fn options(self) -> Options {
        Options {
            interface: self.interface,
            mode: self.mode,
            ports: self.port,
            ssrc: self.ssrc,
            clock_rates: self.clock_rate,
            streams: self.streams,
            drop: self.drop,
            time: self.r#for,
            packets: self.packets,
            idle: self.idle,
            json: self.json,
        }
    }
}
