//! What krtp's own rows begin with.

use crate::{
    devices::Target,
    media::Media,
    stream::{CLOCK_RATE, FIRST_SEQUENCE, PAYLOAD_TYPE, SSRC},
};
use krtp::{
    engine::{Checksum, Setting},
    net::socket::{FlowSocket, Options},
};

/// A flow's socket, as `krtp stream` opens it.
pub fn socket(target: &Target) -> anyhow::Result<FlowSocket> {
    let destination = target.destination;
    Ok(FlowSocket::open(&Options { destination, source: None, interface: None, ttl: None, dscp: None })?)
}

/// The stream that every row sends.
pub fn setting(media: &Media) -> Setting {
    Setting {
        ssrc: SSRC,
        first_sequence: FIRST_SEQUENCE,
        payload_type: PAYLOAD_TYPE,
        clock_rate: CLOCK_RATE,
        payload: media.plan.payload(),
        unit: 1,
        checksum: Checksum::Full,
    }
}
