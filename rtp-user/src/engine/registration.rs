//! A flow's registration with the program on its interface.

use super::{Checksum, Outline};
use crate::{
    kernel::{attach::SharedMaps, maps::MapError, object::Maps},
    net::socket::FlowSocket,
};
use rtp_common::flow::FlowState;
use std::{
    io,
    net::IpAddr,
    sync::{Arc, PoisonError},
};

/// A flow could not be registered, or its socket not be made fit for it.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up a flow of the krtp program: {what}: {source}")]
pub struct OpenError {
    what: &'static str,
    source: io::Error,
}

impl OpenError {
    /// `what` failed, of a socket.
    pub(super) fn of(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { what, source }
    }

    fn of_map(what: &'static str) -> impl FnOnce(MapError) -> Self {
        move |error| Self { what, source: io::Error::other(error) }
    }
}

/// A flow that the program knows, until this is dropped.
#[derive(Debug)]
pub struct Registration {
    maps: SharedMaps,
    slot: u32,
    /// `SO_PRIORITY` as it was; the program gives it back to each packet.
    pub priority: u32,
}

impl Registration {
    /// Registers `socket`, whose flow leaves as `state` says ([`describe`]).
    pub fn of(maps: &SharedMaps, socket: &FlowSocket, mut state: FlowState) -> Result<Self, OpenError> {
        state.cookie = socket.cookie().map_err(OpenError::of("SO_COOKIE"))?;
        state.priority = socket.priority().map_err(OpenError::of("SO_PRIORITY"))?;
        let slot = {
            let mut maps = maps.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = maps.flows.claim(state).map_err(OpenError::of_map("a flow slot"))?;
            let named = maps.sockets.name(socket, state.cookie, slot);
            if let Err(error) = named {
                maps.flows.release(slot);
                return Err(OpenError::of_map("socket storage")(error));
            }
            slot
        };
        Ok(Self { maps: Arc::clone(maps), slot, priority: state.priority })
    }

    /// Works on the maps; the number is the flow's slot.
    pub fn with<T>(&self, work: impl FnOnce(&Maps, u32) -> T) -> T {
        work(&self.maps.lock().unwrap_or_else(PoisonError::into_inner), self.slot)
    }

    /// The flow's state.
    pub fn read(&self) -> FlowState {
        self.with(|maps, slot| maps.flows.read(slot))
    }

    /// Whether `krtp detach` wants it to end.
    pub fn is_to_leave(&self) -> bool {
        self.with(|maps, slot| maps.flows.is_to_leave(slot))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.with(|maps, slot| maps.flows.release(slot));
    }
}

/// A flow of that `outline`, which leaves through the interface of that index.
pub fn describe(outline: &Outline, interface: u32) -> FlowState {
    let Outline { source, destination, setting, .. } = outline;
    FlowState {
        ssrc: setting.ssrc,
        first_sequence: setting.first_sequence,
        next_sequence: u32::from(setting.first_sequence),
        payload_type: setting.payload_type,
        family: if destination.is_ipv6() { 6 } else { 4 },
        ifindex: interface,
        checksum: u32::from(setting.checksum == Checksum::Full),
        destination: octets(destination.ip()),
        source: octets(source.ip()),
        destination_port: destination.port(),
        source_port: source.port(),
        clock_rate: setting.clock_rate,
        payload: setting.payload,
        ..FlowState::default()
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            octets
        }
        IpAddr::V6(address) => address.octets(),
    }
}
