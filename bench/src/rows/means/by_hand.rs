//! krtp's TC program driven by hand: what krtp's engine does with its maps, for rows that hand packets over in a way
//! that the engine does not.

use super::flow;
use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
};
use anyhow::{Context, anyhow, ensure};
use krtp::{
    engine::{
        Outline,
        registration::{Registration, describe},
    },
    kernel::attach::Attachment,
    net::socket::FlowSocket,
};
use rtp_common::{flow::FlowState, header::LEN, notes::Note, timeline::Piece};

/// A flow of the program.
pub struct Flow {
    // Dropped before the program goes.
    registration: Registration,
    pub socket: FlowSocket,
    _attachment: Attachment,
}

impl Flow {
    /// With batches cut apart on their way, or with one datagram for each call.
    pub fn open(
        namespace: &Namespace,
        target: &Target,
        media: &Media,
        batches: bool,
    ) -> anyhow::Result<Self> {
        let fits = LEN + media.payload_len <= UNFRAGMENTED;
        ensure!(fits, "the TC program gives no fragment a header: nothing larger than the MTU");
        let attachment = namespace.run(Attachment::for_now(namespace.netlink(), &target.link, 1))?;
        let socket = flow::socket(target)?;
        let mut segmenter = 0;
        if batches {
            segmenter = attachment.segmenter.clone().map_err(|why| anyhow!("no segmenter: {why}"))?;
            socket.set_segment(u16::try_from(media.payload_len)?).context("UDP_SEGMENT")?;
        }
        let (destination, source) = (socket.destination(), socket.source());
        // Batches are as large as the row makes them.
        let outline = Outline { destination, source, setting: flow::setting(media), max_batch: 1 };
        let state = FlowState { segmenter, ..describe(&outline, target.link.index) };
        let registration = Registration::of(&attachment.maps, &socket, state)?;
        registration.with(|maps, slot| maps.notes.clear(slot));
        Ok(Self { registration, socket, _attachment: attachment })
    }

    /// Lays the one piece of the timeline that there is.
    pub fn lay_piece(&self, piece: Piece) {
        self.registration.with(|maps, slot| maps.flows.lay(slot, 0, piece));
    }

    /// Notes the payload sums of packets from `number` on.
    pub fn lay_sums(&self, number: u64, sums: &[u16]) {
        let notes = sums.iter().map(|&sum| Note { sum, piece: 0 });
        self.registration.with(|maps, slot| maps.notes.lay(slot, number, notes));
    }
}
