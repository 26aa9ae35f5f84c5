//! Many packets from a mapping in one call, without copying. `kmsend` in the paper.

use super::{
    means::{
        segmented,
        zerocopy::{UNCOMPLETED_BATCHES, ZeroCopy},
    },
    row::{Group, Notices, Row, Sender, batch_of},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "kmsend",
    group: Group::Download,
    added: true,
    calls: "1 + n/49 + n/392",
    copies: &[],
    does: "The file is mapped once; one sendmsg() with MSG_ZEROCOPY hands over 49 payloads out of the mapping, which \
           UDP_SEGMENT has cut into packets. For every eight calls recvmsg() takes the notices.",
    cost: "Nothing is copied; pages are pinned and notices made once for 49 packets. What is left is the \
           cutting apart, which a device with segmentation offload does by itself. To a receiver on the same \
           host (veth) the kernel copies after all.",
    differs: Some(
        "The paper's call sent the whole mapping, and said nothing when it was done. One of today takes what a GSO \
         packet can hold, and for every eight of them the notices have to be taken.",
    ),
    open,
};

struct Kmsend {
    socket: Socket,
    zerocopy: ZeroCopy,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = segmented::socket(target, media, 0)?;
    let zerocopy = ZeroCopy::open(&socket, media, 0, UNCOMPLETED_BATCHES)?;
    Ok(Box::new(Kmsend { socket, zerocopy }))
}

impl Sender for Kmsend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let most = batch_of(media.payload_len);
        for first in packets.clone().step_by(most) {
            let batch = first..packets.end.min(first + most);
            self.zerocopy.send(&self.socket, &[IoSlice::new(media.payloads(batch))])?;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.zerocopy.notices())
    }
}
