//! krtp's kernel engine, used as the command uses it.

use super::{
    means::flow::{self, FlowSender},
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
};
use anyhow::{anyhow, ensure};
use krtp::{
    engine::kernel::{KernelFlow, Path},
    kernel::{attach::Attachment, object::Object},
    media::source::Source,
    stop::Stop,
};
use rtp_common::header::LEN;

pub const ROW: Row = Row {
    key: "krtpsendfile",
    group: Group::Enhanced,
    added: true,
    calls: "2n/49 + 2n/398",
    copies: &[],
    does: "krtp's kernel engine, as `krtp stream` uses it: one sendfile hands over 49 packets, a program on the \
           interface's TC egress has them cut apart (UDP GSO behind a macvlan) and writes each one's RTP header.",
    cost: "The cutting apart, and the program's two passes: room for the header is made in each packet by itself. \
           Of the payload nothing is copied but the eight octets that the program takes with the headers; what a \
           system call costs is shared by 49 packets.",
    differs: Some(
        "The paper's call sent the whole file. Here a call takes what a GSO packet can hold, and one more system \
         call goes with it: the number of the first packet (SO_PRIORITY). Every 50 ms krtp asks whether the path's MTU \
         still holds (IP_MTU) and whether the file is still the same (fstat). For each half MiB of the file two more keep disk and \
         page tables ahead of the play (preadv2, madvise).",
    ),
    open,
};

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
    ensure!(LEN + media.payload_len <= UNFRAGMENTED, "krtp sends no fragments");
    let held = namespace.run(Attachment::of_object(namespace.netlink(), &target.link, object))?;
    let flow = Box::new(flow(&held, target, media)?);
    Ok(Box::new(FlowSender::new(flow, source(media)?, held)))
}

/// A flow of the program on the interface.
pub fn flow(attachment: &Attachment, target: &Target, media: &Media) -> anyhow::Result<KernelFlow> {
    let segmenter = attachment.segmenter.clone().map_err(|why| anyhow!("no segmenter: {why}"))?;
    // Nobody has to answer: no ARP on the ifb, a fixed neighbour behind the veth.
    let path = Path { interface: target.link.index, segmenter: Some(segmenter), next_hop: None };
    let (socket, setting) = (flow::socket(target)?, flow::setting(media));
    Ok(KernelFlow::open(&attachment.maps, socket, setting, path, Stop::default())?)
}

/// The file, as of one that was played before.
pub fn source(media: &Media) -> anyhow::Result<Source> {
    let mut source = media.source()?;
    source.complete(&mut |_, _| {})?;
    Ok(source)
}
