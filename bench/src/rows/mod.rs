//! The ways of sending that are compared. A row is one file here and one line
//! in [`ROWS`].

mod af_xdp;
mod gso_zerocopy;
mod io_uring_gso;
mod io_uring_send_zc;
mod io_uring_sendmsg_zc;
mod kmsend;
pub mod krtp_user;
mod krtpmsend;
pub mod krtpsendfile;
mod ksendfile;
pub mod means;
mod mmap_msend;
mod mmap_rtpmsend;
mod mmap_send;
mod mmap_send_msend;
mod mmap_send_rtp;
mod mmap_sendmmsg;
mod mmap_writev;
pub mod prepared;
mod read_send_rtp;
mod read_write;
pub mod read_writev;
pub mod rtp_sendfile;
mod rtpsendfile;
mod sendfile_tcp;
mod sendfile_udp;
mod sendmmsg;
pub mod user_gso;

use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use anyhow::{Context, ensure};
use nix::sys::sendfile::sendfile64;
use rtp_common::header::{Header, LEN};
use std::{ops::Range, os::fd::AsFd};

/// Every row, in the order of the paper's Table 1, today's behind them.
pub const ROWS: &[Row] = &[
    read_write::ROW,
    mmap_send::ROW,
    sendfile_udp::ROW,
    sendfile_tcp::ROW,
    mmap_msend::ROW,
    kmsend::ROW,
    ksendfile::ROW,
    read_send_rtp::ROW,
    read_writev::ROW,
    mmap_send_rtp::ROW,
    mmap_writev::ROW,
    rtp_sendfile::ROW,
    mmap_rtpmsend::ROW,
    mmap_send_msend::ROW,
    rtpsendfile::ROW,
    krtpsendfile::ROW,
    krtpmsend::ROW,
    sendmmsg::ROW,
    mmap_sendmmsg::ROW,
    user_gso::ROW,
    gso_zerocopy::ROW,
    io_uring_send_zc::ROW,
    io_uring_sendmsg_zc::ROW,
    io_uring_gso::ROW,
    af_xdp::ROW,
    krtp_user::ROW,
    prepared::ROW,
];

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
    /// What it does, by which calls.
    pub does: &'static str,
    /// What costs, and why.
    pub cost: &'static str,
    /// What differs from the paper's row.
    pub differs: Option<&'static str>,
    /// Makes all ready for sending a file to a target.
    pub open: fn(&Namespace, &Target, &Media) -> anyhow::Result<Box<dyn Sender>>,
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
}

/// Payload type of an MPEG transport stream (RFC 3551 §6).
pub const PAYLOAD_TYPE: u8 = 33;
/// Sequence number of a row's first packet: it wraps within the check.
pub const FIRST_SEQUENCE: u16 = 65_000;
/// RTP timestamp of a row's first packet: it wraps as well.
pub const FIRST_TIMESTAMP: u32 = u32::MAX - 9_999;
/// Ticks per second (RFC 2250 §2).
pub const CLOCK_RATE: u32 = 90_000;
/// From packet to packet, ticks: about 10 Mbit/s.
pub const STEP: u32 = 95;
/// Synchronization source.
pub const SSRC: u32 = 0x6b72_7470;

/// Largest UDP payload of an IPv4 packet: what one call can hand over.
const MOST_OCTETS: usize = 65_507;
/// `UDP_MAX_SEGMENTS` before Linux 6.9.
pub const MOST_SEGMENTS: usize = 64;

/// Packets of `octets` (behind the UDP header) that go into one UDP GSO batch.
pub fn batch_of(octets: usize) -> usize {
    (MOST_OCTETS / octets).clamp(1, MOST_SEGMENTS)
}

/// Hands the payloads of some packets over by one `sendfile`.
fn send_file(socket: &impl AsFd, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
    let mut offset = media.offset(packets.start).cast_signed();
    let octets = packets.len() * media.payload_len;
    let sent = sendfile64(socket, &media.file, Some(&mut offset), octets).context("sendfile")?;
    ensure!(sent == octets, "sendfile took {sent} octets");
    Ok(())
}

/// Sequence number of a row's packet `number`, modulo 2^16.
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^16")]
pub fn sequence(number: u64) -> u16 {
    FIRST_SEQUENCE.wrapping_add(number as u16)
}

/// RTP timestamp of a row's packet `number`, modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
pub fn timestamp(number: u64) -> u32 {
    FIRST_TIMESTAMP.wrapping_add(STEP.wrapping_mul(number as u32))
}

/// The header of a row's packet `number`.
pub fn header(number: u64) -> [u8; LEN] {
    let (sequence, timestamp) = (sequence(number), timestamp(number));
    Header { payload_type: PAYLOAD_TYPE, marker: false, sequence, timestamp, ssrc: SSRC }.to_bytes()
}
