//! A prepared file, used as the command uses it (`krtp prepare`, `krtp stream`).

use super::{
    means::flow::{self, FlowSender},
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
    stream::{CLOCK_RATE, FIRST_SEQUENCE, FIRST_TIMESTAMP, PAYLOAD_TYPE, SSRC, STEP},
};
use anyhow::{Context, ensure};
use krtp::{
    engine::prepared::PreparedFlow,
    kernel::attach::Attachment,
    media::{
        Wish,
        library::Library,
        prepared::{Copy, format::Numbers},
    },
    pace::Pace,
    prepare::Original,
    stop::Stop,
};
use rtp_common::header::LEN;
use std::{os::fd::AsRawFd, path::PathBuf, sync::Arc};

pub const ROW: Row = Row {
    key: "prepared",
    group: Group::Today,
    added: false,
    calls: "n/49 + n/395",
    copies: &[],
    does: "krtp stream of a file from krtp prepare, in which each payload stands behind its RTP header: one \
           sendfile() with UDP_SEGMENT hands over 49 packets; every 50 ms the file's state and the path's MTU \
           are asked for, for each half MiB whether the disk has to read ahead, and the program on the interface \
           counts what passes.",
    cost: "Nothing for a packet by itself but the cutting apart, which a device with segmentation offload does: \
           no header is built and no payload is read or copied.",
    differs: Some("All viewers of the file have the same SSRC, sequence numbers and timestamps."),
    open,
};

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let copy = copy(media)?;
    let source = Library::new(None).copy(&copy)?;
    let held = namespace.run(Attachment::for_prepared(namespace.netlink(), &target.link, 1))?;
    let mut flow = flow(&copy, target, media)?;
    flow.account(&held.maps, target.link.index)?;
    Ok(Box::new(FlowSender::new(Box::new(flow), source, held)))
}

/// A flow of the copy.
pub fn flow(copy: &Arc<Copy>, target: &Target, media: &Media) -> anyhow::Result<PreparedFlow> {
    let (socket, setting) = (flow::socket(target)?, flow::setting(media));
    Ok(PreparedFlow::open(socket, setting, Arc::clone(copy), Stop::default())?)
}

/// A copy of the bench's file, which goes with what has it open.
pub fn copy(media: &Media) -> anyhow::Result<Arc<Copy>> {
    ensure!(LEN + media.payload_len <= UNFRAGMENTED, "krtp sends no fragments");
    let directory = tempfile::tempdir().context("a directory for the prepared copy (see TMPDIR)")?;
    let path = directory.path().join("copy");
    let file = PathBuf::from(format!("/proc/self/fd/{}", media.file.as_raw_fd()));
    let payload = media.plan.payload();
    let wish = Wish {
        payload_type: Some(PAYLOAD_TYPE),
        clock_rate: Some(CLOCK_RATE),
        payload: Some(payload),
        ..Wish::default()
    };
    // The rate at which a packet lasts STEP ticks. Rounded down, a packet is late by less than a tick in 10^5 packets.
    let rate = u64::from(payload) * 8 * u64::from(CLOCK_RATE) / u64::from(STEP);
    let numbers = Numbers { ssrc: SSRC, sequence: FIRST_SEQUENCE, timestamp: FIRST_TIMESTAMP };
    let original = Original::open(&file, &wish, Pace::Bits(rate))?;
    original.write(&path, numbers, &Library::new(None), &mut |_, _| true)?;
    let copy = Copy::open(&path)?;
    // As of a file that was played before.
    copy.check(copy.place(&media.plan.batch(0, media.packets())), &mut Vec::new())?;
    Ok(Arc::new(copy))
}
