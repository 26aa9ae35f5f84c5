//! krtp's user engine, used as the command uses it (`--engine user`).

use super::{
    means::flow,
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
    stream::{FIRST_TIMESTAMP, STEP},
};
use anyhow::ensure;
use krtp::{
    engine::{Flow, user::UserFlow},
    media::source::Source,
    stop::Stop,
};
use rtp_common::{header::LEN, timeline::Piece};
use std::ops::Range;

pub const ROW: Row = Row {
    key: "krtp_user",
    group: Group::Today,
    added: false,
    calls: "3n/49",
    does: "krtp stream --engine user: a batch is read from the file by one pread, its headers are built \
           beside it, and both are the parts of one sendmsg with UDP_SEGMENT; the path's MTU is asked for \
           before each batch.",
    cost: "As user_gso, with one copy more, since krtp reads the file instead of mapping it: a file that is \
           cut short under a mapping would end the process by a signal.",
    differs: None,
    open,
};

struct KrtpUser {
    flow: UserFlow,
    source: Source,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    ensure!(LEN + media.payload_len <= UNFRAGMENTED, "krtp sends no fragments");
    let flow = UserFlow::open(flow::socket(target)?, flow::setting(media), Stop::default())?;
    Ok(Box::new(KrtpUser { flow, source: media.source()? }))
}

impl Sender for KrtpUser {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let timeline = Piece { timestamp: FIRST_TIMESTAMP, step: STEP, ..Piece::default() };
        let mut next = packets.start;
        while next < packets.end {
            let most = self.flow.max_batch().min(packets.end - next);
            let batch = media.plan.batch(next as u64, most);
            ensure!(self.flow.send(&mut self.source, &batch, &[timeline])?, "stopped");
            next += batch.packets;
        }
        Ok(())
    }
}
