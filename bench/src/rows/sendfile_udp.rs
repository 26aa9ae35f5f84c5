//! `sendfile` of one datagram after the other. `sendfile (UDP)` in the paper.

use super::row::{Group, Row, Sender, send_file};
use crate::{
    devices::{Namespace, Target},
    media::Media,
};
use socket2::Socket;
use std::ops::Range;

pub const ROW: Row = Row {
    key: "sendfile_udp",
    group: Group::Download,
    added: false,
    calls: "n",
    copies: &[],
    does: "sendfile() sends each payload from the page cache as one packet.",
    cost: "Nothing is copied: the packet points at the file's pages. But each call goes through a pipe \
           (splice) and page by page; what that costs is more than a copy of one payload.",
    differs: None,
    open,
};

struct SendfileUdp {
    socket: Socket,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(SendfileUdp { socket: target.socket()? }))
}

impl Sender for SendfileUdp {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        for packet in packets {
            send_file(&self.socket, media, packet..packet + 1)?;
        }
        Ok(())
    }
}
