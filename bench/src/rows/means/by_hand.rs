//! krtp's TC program driven by hand: what krtp's engine does with its maps, for rows that hand packets over in a way
//! that the engine does not.

use crate::{
    devices::{Namespace, Target, UNFRAGMENTED},
    media::Media,
    stream::{CLOCK_RATE, FIRST_SEQUENCE, PAYLOAD_TYPE, SSRC},
};
use anyhow::{Context, anyhow, ensure};
use krtp::{
    kernel::{attach::Attachment, object::Maps},
    net::socket::{FlowSocket, Options},
};
use rtp_common::{flow::FlowState, header::LEN, notes::Note, timeline::Piece};
use std::{
    net::IpAddr,
    sync::{MutexGuard, PoisonError},
};

/// A flow of the program.
pub struct Flow {
    pub socket: FlowSocket,
    slot: u32,
    attachment: Attachment,
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
        let options =
            Options { destination: target.destination, source: None, interface: None, ttl: None, dscp: None };
        let socket = FlowSocket::open(&options)?;
        let mut segmenter = 0;
        if batches {
            segmenter = attachment.segmenter.clone().map_err(|why| anyhow!("no segmenter: {why}"))?;
            socket.set_segment(u16::try_from(media.payload_len)?).context("UDP_SEGMENT")?;
        }
        let cookie = socket.cookie()?;
        let state = FlowState {
            cookie,
            priority: socket.priority()?,
            ifindex: target.link.index,
            segmenter,
            payload: u32::try_from(media.payload_len)?,
            ..describe(&socket)
        };
        let slot = {
            let mut maps = attachment.maps.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = maps.flows.claim(state)?;
            maps.notes.clear(slot);
            maps.sockets.name(&socket, cookie, slot)?;
            slot
        };
        Ok(Self { socket, slot, attachment })
    }

    /// Lays the one piece of the timeline that there is.
    pub fn lay_piece(&self, piece: Piece) {
        self.maps().flows.lay(self.slot, 0, piece);
    }

    /// Notes the payload sums of packets from `number` on.
    pub fn lay_sums(&self, number: u64, sums: &[u16]) {
        let notes = sums.iter().map(|&sum| Note { sum, piece: 0 });
        self.maps().notes.lay(self.slot, number, notes);
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.attachment.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.maps().flows.release(self.slot);
    }
}

fn describe(socket: &FlowSocket) -> FlowState {
    let (source, destination) = (socket.source(), socket.destination());
    FlowState {
        ssrc: SSRC,
        first_sequence: FIRST_SEQUENCE,
        next_sequence: u32::from(FIRST_SEQUENCE),
        payload_type: PAYLOAD_TYPE,
        family: 4,
        checksum: 1,
        destination: octets(destination.ip()),
        source: octets(source.ip()),
        destination_port: destination.port(),
        source_port: source.port(),
        clock_rate: CLOCK_RATE,
        ..FlowState::default()
    }
}

/// As [`FlowState`] has an IPv4 address.
fn octets(address: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    if let IpAddr::V4(address) = address {
        octets[..4].copy_from_slice(&address.octets());
    }
    octets
}
