//! Options that say what packets hold and what their headers say: of a stream,
//! and of a prepared file.

use super::values::{parse_number, parse_pid, parse_ptime};
use crate::media::Wish;
use clap::Args;
use std::time::Duration;

/// These options.
#[derive(Args, Clone, Copy, Debug)]
pub struct Headers {
    /// The PID whose PCRs are the clock, decimal or 0x… [default: the first programme's]
    #[arg(long, value_name = "PID", value_parser = parse_pid)]
    pub pcr_pid: Option<u16>,
    /// Payload octets of a packet [default: 1316 for MPEG-TS]
    #[arg(long, value_name = "BYTES")]
    pub payload: Option<u32>,
    /// Milliseconds of audio in a packet, such as 0.125 [default: 1, for PCMU and PCMA 20]
    #[arg(long, value_name = "MS", value_parser = parse_ptime, conflicts_with = "payload")]
    pub ptime: Option<Duration>,
    /// Payload type [default: 33 for MPEG-TS, RFC 3551's or 96 for audio]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=127))]
    pub pt: Option<u8>,
    /// Clock rate of the timestamps [default: 90000 for MPEG-TS, audio's own]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..))]
    pub clock_rate: Option<u32>,
    /// SSRC (of the first flow), decimal or 0x… [default: random]
    #[arg(long, value_name = "X", value_parser = parse_number)]
    pub ssrc: Option<u32>,
    /// First sequence number [default: random]
    #[arg(long, value_name = "N")]
    pub seq: Option<u16>,
    /// First timestamp, decimal or 0x… [default: random]
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub timestamp: Option<u32>,
}

impl Headers {
    /// What they say about the file.
    pub fn wish(&self) -> Wish {
        Wish {
            payload_type: self.pt,
            clock_rate: self.clock_rate,
            payload: self.payload,
            pcr_pid: self.pcr_pid,
            ptime: self.ptime,
        }
    }
}
