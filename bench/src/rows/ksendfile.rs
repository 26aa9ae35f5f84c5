//! One `sendfile` for as many datagrams as a GSO packet holds. `ksendfile` in the paper.

use super::{
    means::segmented,
    row::{Group, Row, Sender, batch_of, send_file},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use socket2::Socket;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "ksendfile",
    group: Group::Download,
    added: true,
    calls: "n/49",
    copies: &[],
    does: "One sendfile() hands over 49 payloads, which UDP_SEGMENT has cut into packets.",
    cost: "Nothing is copied, and the way through the network stack is gone through once for 49 packets. What is left is \
           the cutting apart, which a device with segmentation offload does by itself.",
    differs: Some("The paper's call sent the whole file; one of today takes what a GSO packet can hold."),
    open,
};

struct Ksendfile {
    socket: Socket,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(Ksendfile { socket: segmented::socket(target, media, 0)? }))
}

impl Sender for Ksendfile {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let most = batch_of(media.payload_len);
        for first in packets.clone().step_by(most) {
            send_file(&self.socket, media, first..packets.end.min(first + most))?;
        }
        Ok(())
    }
}
