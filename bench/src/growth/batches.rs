//! The cost of a packet against the packets of a batch.

use super::{Engine, WAYS, series::Series};
use crate::{
    check,
    devices::{Namespace, UNLIMITED},
    lane::{self, Lane},
    media::Media,
    rows::{Row, Sender, krtp_user, krtpsendfile, prepared},
};
use anyhow::Context;
use std::{cell::RefCell, ops::Range, rc::Rc};

/// Packets of a batch.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 48];

/// A sender that is given so many packets at a time, and sends them as one batch.
struct InBatches {
    sender: Rc<RefCell<Box<dyn Sender>>>,
    most: usize,
}

impl Sender for InBatches {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut sender = self.sender.borrow_mut();
        for first in packets.clone().step_by(self.most) {
            sender.send(media, first..packets.end.min(first + self.most))?;
        }
        Ok(())
    }
}

/// A series for each of krtp's ways.
pub fn measure(media: &Media, rounds: u32) -> anyhow::Result<Vec<Series>> {
    let namespace = Namespace::enter_new()?;
    let (target, peer) = namespace.peer(UNLIMITED)?;
    let mut lanes = Vec::new();
    for (number, way) in (1..).zip(WAYS) {
        let row = row(way.engine);
        for most in SIZES {
            let sender = Rc::new(RefCell::new((row.open)(&namespace, &target, media)?));
            let packets = 0..check::PACKETS.min(media.packets());
            check::datagrams(&mut InBatches { sender, most }, &peer, media, packets, true)
                .with_context(|| format!("{}, {most} packets in a batch", row.key))?;
        }
        let target = way.sink(&namespace, number)?;
        let sender = Rc::new(RefCell::new((row.open)(&namespace, &target, media)?));
        lanes.extend(SIZES.map(|most| Lane {
            name: format!("{} in batches of {most}", row.key),
            target: target.clone(),
            sender: Box::new(InBatches { sender: Rc::clone(&sender), most }),
        }));
    }
    eprintln!("krtp-bench: batches of every size deliver the file; measuring {rounds} rounds");
    let samples = lane::in_turns(&mut lanes, media, rounds)?;
    let series = |(place, way): (usize, super::Way)| Series {
        key: format!("batches_{}", way.key()),
        title: way.title().into(),
        across: "packets in a batch",
        at: SIZES.to_vec(),
        base: SIZES.len() - 1,
        rounds: samples.iter().map(|round| round[place * SIZES.len()..][..SIZES.len()].to_vec()).collect(),
    };
    Ok(WAYS.into_iter().enumerate().map(series).collect())
}

fn row(engine: Engine) -> &'static Row {
    match engine {
        Engine::Kernel => &krtpsendfile::ROW,
        Engine::Prepared => &prepared::ROW,
        Engine::User => &krtp_user::ROW,
    }
}
