//! A header and a payload in a mapping, sent together without copying. `mmap_rtpmsend` in the paper.

use super::{
    means::zerocopy::{UNCOMPLETED, ZeroCopy},
    row::{Group, Notices, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "mmap_rtpmsend",
    group: Group::Enhanced,
    added: true,
    calls: "1 + n + n/32",
    copies: &[],
    does: "The file is mapped once; sendmsg() with MSG_ZEROCOPY sends a header and a payload in the mapping as one \
           packet. For every 32 packets recvmsg() takes the notices from the error queue.",
    cost: "Nothing is copied. But for each packet the kernel looks the pages up and pins them, the header's \
           too, and makes a notice: more than a copy of one payload costs. To a receiver on the same host \
           (veth) the kernel copies after all.",
    differs: Some(
        "The paper's call copied the header, so that it could be written again at once. MSG_ZEROCOPY takes \
         it from where it is: 32 headers are in use in turn, until the notices have come.",
    ),
    open,
};

struct MmapRtpmsend {
    socket: Socket,
    zerocopy: ZeroCopy,
    number: u64,
    /// Which the kernel may still read.
    headers: Box<[[u8; LEN]; UNCOMPLETED]>,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = target.socket()?;
    let zerocopy = ZeroCopy::open(&socket, media, LEN, UNCOMPLETED)?;
    let headers = Box::new([[0; LEN]; UNCOMPLETED]);
    Ok(Box::new(MmapRtpmsend { socket, zerocopy, number: 0, headers }))
}

impl Sender for MmapRtpmsend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            let place = &mut self.headers[self.number as usize % UNCOMPLETED];
            *place = header(self.number);
            let parts = [IoSlice::new(place), IoSlice::new(media.payload(packet))];
            self.zerocopy.send(&self.socket, &parts)?;
            self.number += 1;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.zerocopy.notices())
    }
}
