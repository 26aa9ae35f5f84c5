//! What a streaming server does without further thought: read a payload, write
//! it behind a header. `read_writev` in the paper.

use super::{Row, Sender, header};
use crate::{
    devices::{Namespace, Target},
    media::{Media, PAYLOAD},
};
use anyhow::{Context, ensure};
use nix::sys::uio::writev;
use rtp_common::header::LEN;
use socket2::Socket;
use std::{
    io::{IoSlice, Read, Seek, SeekFrom},
    ops::Range,
};

pub const ROW: Row = Row { name: "read_writev", open };

struct ReadWritev {
    socket: Socket,
    number: u64,
}

fn open(_: &Namespace, target: &Target, _: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(ReadWritev { socket: target.socket()?, number: 0 }))
}

impl Sender for ReadWritev {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut file = &media.file;
        file.seek(SeekFrom::Start((packets.start * PAYLOAD) as u64))?;
        let mut payload = [0; PAYLOAD];
        for _ in packets {
            file.read_exact(&mut payload).context("read")?;
            let header = header(self.number);
            let parts = [IoSlice::new(&header), IoSlice::new(&payload)];
            let sent = writev(&self.socket, &parts).context("writev")?;
            ensure!(sent == LEN + PAYLOAD, "writev took {sent} octets");
            self.number += 1;
        }
        Ok(())
    }
}
