//! Many packets from a mapping in one call, without copying, with headers by the kernel. `krtpmsend` in the paper.

use super::{
    means::{
        by_hand::Flow,
        zerocopy::{UNCOMPLETED_BATCHES, ZeroCopy},
    },
    row::{Group, Notices, Row, Sender, batch_of},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::{FIRST_TIMESTAMP, STEP},
};
use anyhow::Context;
use krtp::media::source::Source;
use rtp_common::{carrier, header::LEN, timeline::Piece};
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "krtpmsend",
    group: Group::Enhanced,
    added: true,
    calls: "1 + 2n/49 + n/392 + 2n/398",
    copies: &[],
    does: "The file is mapped once; one sendmsg() with MSG_ZEROCOPY hands over 49 payloads out of the mapping, which \
           krtp's program on the interface's TC egress has cut apart and gives their RTP headers.",
    cost: "As krtpsendfile, with pages looked up and pinned and notices made where sendfile takes them from \
           the page cache. To a receiver on the same host (veth) the kernel copies after all.",
    differs: Some(
        "The paper's call sent the whole mapping. Here a call takes what a GSO packet can hold, and more go with it: \
         for each batch the number of the first packet (SO_PRIORITY), every 50 ms whether the file is still the same (fstat), \
         for every eight batches the notices, for each half MiB of the file two that are ahead of the play (preadv2, \
         madvise).",
    ),
    open,
};

struct Krtpmsend {
    flow: Flow,
    zerocopy: ZeroCopy,
    source: Source,
    number: u64,
}

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let flow = Flow::open(namespace, target, media, true)?;
    flow.lay_piece(Piece { timestamp: FIRST_TIMESTAMP, step: STEP, ..Piece::default() });
    let zerocopy = ZeroCopy::open(&flow.socket.sock_ref(), media, LEN, UNCOMPLETED_BATCHES)?;
    let mut source = media.source()?;
    // As of a file that was played before.
    source.complete(&mut |_, _| {})?;
    Ok(Box::new(Krtpmsend { flow, zerocopy, source, number: 0 }))
}

impl Sender for Krtpmsend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let most = batch_of(media.payload_len);
        for first in packets.clone().step_by(most) {
            let range = first..packets.end.min(first + most);
            let batch = media.plan.batch(first as u64, range.len());
            self.source.prepare(&batch)?;
            self.flow.lay_sums(self.number, self.source.sums(&batch));
            self.flow.socket.set_priority(carrier::encode(self.number)).context("SO_PRIORITY")?;
            let socket = self.flow.socket.sock_ref();
            self.zerocopy.send(&socket, &[IoSlice::new(media.payloads(range))])?;
            self.number += batch.packets as u64;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.zerocopy.notices())
    }
}
