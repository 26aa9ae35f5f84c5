//! Sending from a mapping without copying. `mmap_msend` in the paper.

use super::{
    means::zerocopy::{UNCOMPLETED, ZeroCopy},
    row::{Group, Notices, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "mmap_msend",
    group: Group::Download,
    added: true,
    calls: "1 + n + n/32",
    copies: &[],
    does: "The file is mapped once; sendmsg() with MSG_ZEROCOPY sends each payload out of the mapping as one packet. \
           For every 32 packets recvmsg() takes the notices from the error queue.",
    cost: "Nothing is copied. But for each packet the kernel looks the pages up and pins them, and makes a \
           notice: more than a copy of one payload costs. To a receiver on the same host (veth) the kernel \
           copies after all.",
    differs: Some(
        "The paper's call said nothing when it was done. MSG_ZEROCOPY gives notice of memory that may be \
         written again, and the notices have to be taken although nobody writes to the file.",
    ),
    open,
};

struct MmapMsend {
    socket: Socket,
    zerocopy: ZeroCopy,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = target.socket()?;
    let zerocopy = ZeroCopy::open(&socket, media, 0, UNCOMPLETED)?;
    Ok(Box::new(MmapMsend { socket, zerocopy }))
}

impl Sender for MmapMsend {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            self.zerocopy.send(&self.socket, &[IoSlice::new(media.payload(packet))])?;
        }
        Ok(())
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.zerocopy.notices())
    }
}
