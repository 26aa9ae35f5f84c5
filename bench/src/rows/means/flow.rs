//! What krtp's own rows begin with, and how they send.

use crate::{
    devices::Target,
    media::Media,
    rows::row::Sender,
    stream::{CLOCK_RATE, FIRST_SEQUENCE, FIRST_TIMESTAMP, PAYLOAD_TYPE, SSRC, STEP},
};
use anyhow::ensure;
use krtp::{
    engine::{Checksum, Flow, Setting},
    media::source::Source,
    net::socket::{FlowSocket, Options},
};
use rtp_common::timeline::Piece;
use std::ops::Range;

/// A flow's socket, as `krtp stream` opens it.
pub fn socket(target: &Target) -> anyhow::Result<FlowSocket> {
    let destination = target.destination;
    Ok(FlowSocket::open(&Options { destination, source: None, interface: None, ttl: None, dscp: None })?)
}

/// The stream that every row sends.
pub fn setting(media: &Media) -> Setting {
    Setting {
        ssrc: SSRC,
        first_sequence: FIRST_SEQUENCE,
        payload_type: PAYLOAD_TYPE,
        clock_rate: CLOCK_RATE,
        payload: media.plan.payload(),
        unit: 1,
        checksum: Checksum::Full,
    }
}

/// Sends one batch as the command's sender does, of at most so many packets from `first` on; how many it were.
pub fn send_batch(
    flow: &mut dyn Flow,
    source: &mut Source,
    media: &Media,
    first: usize,
    most: usize,
) -> anyhow::Result<usize> {
    let timeline = Piece { timestamp: FIRST_TIMESTAMP, step: STEP, ..Piece::default() };
    let batch = media.plan.batch(first as u64, flow.outline().max_batch.min(most));
    source.prepare(&batch)?;
    ensure!(flow.send(source, &batch, &[timeline])?, "stopped");
    Ok(batch.packets)
}

/// A flow and its file.
pub struct FlowSender<H = ()> {
    flow: Box<dyn Flow>,
    source: Source,
    _held: H,
}

impl<H> FlowSender<H> {
    /// What is `held` goes after the flow.
    pub fn new(flow: Box<dyn Flow>, source: Source, held: H) -> Self {
        Self { flow, source, _held: held }
    }
}

impl<H> Sender for FlowSender<H> {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut next = packets.start;
        while next < packets.end {
            next += send_batch(&mut *self.flow, &mut self.source, media, next, packets.end - next)?;
        }
        Ok(())
    }
}
