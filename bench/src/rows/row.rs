//! What a way of sending is.

use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use anyhow::{Context, ensure};
use nix::sys::sendfile::sendfile64;
use serde::{Deserialize, Serialize};
use std::{ops::Range, os::fd::AsFd};

/// One way of sending.
#[derive(Debug)]
pub struct Row {
    /// Its name: the paper's, where the paper has it.
    pub key: &'static str,
    /// Where it stands in the paper's Table 1.
    pub group: Group,
    /// Whether it needs a system call that the paper's authors added to their kernel.
    pub added: bool,
    /// The paper's column s: system calls for n packets of [`crate::media::PAYLOAD`] octets, such as `1 + 4n` or `n/48`.
    pub calls: &'static str,
    /// Where the CPU copies each payload.
    pub copies: &'static [Place],
    /// What it does, by which calls.
    pub does: &'static str,
    /// What costs, and why.
    pub cost: &'static str,
    /// What differs from the paper's row.
    pub differs: Option<&'static str>,
    /// Makes all ready for sending a file to a target.
    pub open: fn(&Namespace, &Target, &Media) -> anyhow::Result<Box<dyn Sender>>,
}

/// Where a payload can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Out of the page cache into memory of user space.
    Read,
    /// Within user space.
    User,
    /// Into the packet.
    Send,
    /// From packet to packet, on the way through the network stack.
    Stack,
    /// Within krtp's program: headers, and eight octets of payload.
    Program,
}

/// Groups of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The paper's A: the file's octets alone, without RTP headers.
    Download,
    /// B: RTP by the system calls of its time.
    Existing,
    /// C: RTP by system calls that the authors added.
    Enhanced,
    /// RTP as an expert does it today.
    Today,
}

/// An RTP stream that has begun.
pub trait Sender {
    /// Sends these packets of the file, in order, as fast as it goes.
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()>;

    /// Packets that the receiver has acknowledged, where there is one that does. It is asked instead of the interface.
    fn acknowledged(&self) -> Option<u64> {
        None
    }

    /// What the kernel said of the sends that it was asked not to copy, where it was asked.
    fn notices(&self) -> Option<Notices> {
        None
    }
}

/// The kernel's own word on sends that were to go without a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// Those that it has done with.
    pub sends: u64,
    /// Those of them that it copied after all.
    pub copied: u64,
}

/// Largest UDP payload of an IPv4 packet: what one call can hand over.
const MOST_OCTETS: usize = 65_507;
/// `UDP_MAX_SEGMENTS` before Linux 6.9.
pub const MOST_SEGMENTS: usize = 64;

/// Packets of `octets` (behind the UDP header) that go into one UDP GSO batch.
pub fn batch_of(octets: usize) -> usize {
    (MOST_OCTETS / octets).clamp(1, MOST_SEGMENTS)
}

/// Hands the payloads of some packets over by one `sendfile`.
pub fn send_file(socket: &impl AsFd, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
    let mut offset = media.offset(packets.start).cast_signed();
    let octets = packets.len() * media.payload_len;
    let sent = sendfile64(socket, &media.file, Some(&mut offset), octets).context("sendfile")?;
    ensure!(sent == octets, "sendfile took {sent} octets");
    Ok(())
}
