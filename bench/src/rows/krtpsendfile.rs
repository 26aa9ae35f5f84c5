//! krtp's kernel engine, used as the command uses it.

use super::{
    means::flow,
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::{FIRST_TIMESTAMP, STEP},
};
use anyhow::{anyhow, ensure};
use krtp::{
    engine::{
        Flow,
        kernel::{KernelFlow, Path},
    },
    kernel::{attach::Attachment, object::Object},
    media::source::Source,
    stop::Stop,
};
use rtp_common::timeline::Piece;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "krtpsendfile",
    group: Group::Enhanced,
    added: true,
    calls: "4n/49",
    does: "krtp's kernel engine, as `krtp stream` uses it: one sendfile hands over 49 packets, a program on the \
           interface's TC egress has them cut apart (UDP GSO behind a macvlan) and writes each one's RTP header.",
    cost: "The cutting apart, and the program's two passes: room for the header is made in each packet by itself. \
           The payload is never copied and hardly touched; what a system call costs is shared by 49 packets.",
    differs: Some(
        "The paper's call sent the whole file. Here a call takes what a GSO packet can hold, and three more system \
         calls go with it: the number of the first packet (SO_PRIORITY), whether the path's MTU still holds \
         (IP_MTU), whether the file is still the same (statx).",
    ),
    open,
};

struct Krtp {
    // Dropped before the program goes.
    flow: KernelFlow,
    source: Source,
    _attachment: Attachment,
}

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    open_with(Object::load(1)?, namespace, target, media)
}

/// With the programs of `object`.
pub fn open_with(
    object: Object,
    namespace: &Namespace,
    target: &Target,
    media: &Media,
) -> anyhow::Result<Box<dyn Sender>> {
    let attachment = namespace.run(Attachment::of_object(namespace.netlink(), &target.link, object))?;
    let segmenter = attachment.segmenter.clone().map_err(|why| anyhow!("no segmenter: {why}"))?;
    // Nobody has to answer: no ARP on the ifb, a fixed neighbour behind the veth.
    let path = Path { interface: target.link.index, segmenter: Some(segmenter), next_hop: None };
    let (socket, setting) = (flow::socket(target)?, flow::setting(media));
    let flow = KernelFlow::open(&attachment.maps, socket, setting, path, Stop::default())?;
    let mut source = media.source()?;
    // As of a file that was played before.
    source.complete(&mut |_, _| {})?;
    Ok(Box::new(Krtp { flow, source, _attachment: attachment }))
}

impl Sender for Krtp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let timeline = Piece { timestamp: FIRST_TIMESTAMP, step: STEP, ..Piece::default() };
        let mut next = packets.start;
        while next < packets.end {
            let most = self.flow.max_batch().min(packets.end - next);
            let batch = media.plan.batch(next as u64, most);
            self.source.prepare(&batch)?;
            ensure!(self.flow.send(&mut self.source, &batch, &[timeline])?, "stopped");
            next += batch.packets;
        }
        Ok(())
    }
}
