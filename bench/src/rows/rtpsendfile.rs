//! One `sendfile` for each packet, the header given through shared memory. `rtpsendfile` in the paper.

use super::{
    means::by_hand::Flow,
    row::{Group, Row, Sender, send_file},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::timestamp,
};
use anyhow::Context;
use rtp_common::{carrier, checksum::payload_sum, timeline::Piece};
use std::ops::Range;

pub const ROW: Row = Row {
    key: "rtpsendfile",
    group: Group::Enhanced,
    added: true,
    calls: "n",
    copies: &[],
    does: "User space writes a packet's timestamp and its payload's sum into BPF maps that are mapped as memory; one \
           sendfile() sends the payload, and krtp's program on the interface's TC egress writes the header.",
    cost: "No copy and one system call for each packet, but each goes through a pipe (splice) and through the whole \
           network stack by itself, and the program makes room for the header.",
    differs: Some(
        "The paper's call took the header as an argument. Here it goes through memory, and only part of it: the \
         program counts the sequence number, SSRC and payload type stand in the map. Calls and copies are the paper's. All packets carry the same \
         mark (SO_PRIORITY is set once), so that each has to pass the program before the next is sent: on a \
         way without queues, as here, that is so within the call.",
    ),
    open,
};

struct Rtpsendfile {
    flow: Flow,
    number: u64,
    /// Of each payload of the file, as krtp's index knows them.
    sums: Vec<u16>,
}

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let flow = Flow::open(namespace, target, media, false)?;
    flow.socket.set_priority(carrier::encode(0)).context("SO_PRIORITY")?;
    let sums = media.memory.chunks_exact(media.payload_len).map(payload_sum).collect();
    Ok(Box::new(Rtpsendfile { flow, number: 0, sums }))
}

impl Sender for Rtpsendfile {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            // Packet zero, again and again.
            self.flow.lay_piece(Piece { timestamp: timestamp(self.number), ..Piece::default() });
            self.flow.lay_sums(0, &self.sums[packet..=packet]);
            send_file(&self.flow.socket, media, packet..packet + 1)?;
            self.number += 1;
        }
        Ok(())
    }
}
