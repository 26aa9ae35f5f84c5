//! A prepared file, used as the command uses it (`krtp prepare`, `krtp stream`).

use super::{
    means::flow,
    row::{Group, Row, Sender},
};
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
    stream::{CLOCK_RATE, FIRST_SEQUENCE, FIRST_TIMESTAMP, PAYLOAD_TYPE, SSRC, STEP},
};
use anyhow::{Context, ensure};
use krtp::{
    engine::{Flow, prepared::PreparedFlow},
    kernel::attach::Attachment,
    media::{
        Wish,
        library::Library,
        prepared::{Copy, format::Numbers},
        source::Source,
    },
    prepare::Original,
    stop::Stop,
    stream::Pace,
};
use rtp_common::header::LEN;
use std::{ops::Range, os::fd::AsRawFd, path::PathBuf, sync::Arc};

pub const ROW: Row = Row {
    key: "prepared",
    group: Group::Today,
    added: false,
    calls: "3n/49",
    does: "krtp stream of a file from krtp prepare, in which each payload stands behind its RTP header: one \
           sendfile() with UDP_SEGMENT hands over 49 packets; before it the file's state and the path's MTU \
           are asked for, and the program on the interface counts what passes.",
    cost: "Nothing for a packet by itself but the cutting apart, which a device with segmentation offload does: \
           no header is built and no payload is read or copied.",
    differs: Some("All viewers of the file have the same SSRC, sequence numbers and timestamps."),
    open,
};

struct Prepared {
    // Dropped before the program goes.
    flow: PreparedFlow,
    source: Source,
    _attachment: Attachment,
}

fn open(namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    ensure!(LEN + media.payload_len <= UNFRAGMENTED, "krtp sends no fragments");
    let copy = Arc::new(copy(media)?);
    // As of a file that was played before.
    let all = media.plan.batch(0, media.packets());
    copy.check(copy.place(&all), &mut Vec::new())?;
    let (socket, setting) = (flow::socket(target)?, flow::setting(media));
    let source = Library::new(None).copy(&copy)?;
    let attachment = namespace.run(Attachment::for_prepared(namespace.netlink(), &target.link, 1))?;
    let mut flow = PreparedFlow::open(socket, setting, copy, Stop::default())?;
    flow.account(&attachment.maps, target.link.index)?;
    Ok(Box::new(Prepared { flow, source, _attachment: attachment }))
}

/// A copy of the bench's file, which goes with what has it open.
fn copy(media: &Media) -> anyhow::Result<Copy> {
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
    original.write(&path, numbers, &Library::new(None), &mut |_, _| {})?;
    Ok(Copy::open(&path)?)
}

impl Sender for Prepared {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut next = packets.start;
        while next < packets.end {
            let most = self.flow.max_batch().min(packets.end - next);
            let batch = media.plan.batch(next as u64, most);
            self.source.prepare(&batch)?;
            ensure!(self.flow.send(&mut self.source, &batch, &[])?, "stopped");
            next += batch.packets;
        }
        Ok(())
    }
}
