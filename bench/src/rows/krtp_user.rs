//! krtp's user engine, used as the command uses it (`--engine user`).

use super::{
    means::flow::{self, FlowSender},
    row::{Group, Place, Row, Sender},
};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
};
use anyhow::ensure;
use krtp::{engine::user::UserFlow, stop::Stop};
use rtp_common::header::LEN;

pub const ROW: Row = Row {
    key: "krtp_user",
    group: Group::Today,
    added: false,
    calls: "2n/49",
    copies: &[Place::Read, Place::Send],
    does: "krtp stream --engine user: a batch is read from the file by one pread, its headers are built \
           beside it, and both are the parts of one sendmsg with UDP_SEGMENT; every 50 ms the file's state and \
           the path's MTU are asked for.",
    cost: "As user_gso, with one copy more, since krtp reads the file instead of mapping it: a file that is \
           cut short under a mapping would end the process by a signal.",
    differs: None,
    open,
};

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    Ok(Box::new(FlowSender::new(Box::new(flow(target, media)?), media.source_without_sums()?, ())))
}

/// A flow of the engine.
pub fn flow(target: &Target, media: &Media) -> anyhow::Result<UserFlow> {
    ensure!(LEN + media.payload_len <= UNFRAGMENTED, "krtp sends no fragments");
    Ok(UserFlow::open(flow::socket(target)?, flow::setting(media), Stop::default())?)
}
