//! One look at every flow of this host.

use crate::{
    kernel::maps::{Flows, MapError},
    monotonic::now,
    process::Process,
};
use aya::{
    maps::{Map, MapData, MapInfo, MapType, loaded_maps},
    sys::SyscallError,
};
use rtp_common::flow::FlowState;
use std::{io, time::Duration};

/// Why the maps cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// Listing all maps of the host is for its administrator.
    #[error("listing the BPF maps of this host is not permitted: run as root (it takes CAP_SYS_ADMIN)")]
    Privilege,
    /// The kernel would not list them.
    #[error("cannot list the BPF maps: {0}; this kernel may have no BPF")]
    List(#[source] io::Error),
    /// A map of ours cannot be used.
    #[error("cannot look into the flows of BPF map {id}: {source}")]
    Map {
        /// The map's id, as `bpftool map` shows it.
        id: u32,
        /// Why not.
        source: MapError,
    },
}

/// A flow and where it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The map's id.
    pub map: u32,
    /// The slot in it.
    pub slot: u32,
    /// Its state at that moment.
    pub state: FlowState,
}

impl Found {
    /// Whether both are the same flow, at two moments.
    fn is(&self, other: &Self) -> bool {
        let name = |flow: &Self| (flow.map, flow.slot, flow.state.owner, flow.state.cookie);
        name(self) == name(other)
    }
}

/// All flows of living processes at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When: `CLOCK_MONOTONIC`, nanoseconds.
    pub at: u64,
    /// The flows, by map and slot.
    pub flows: Vec<Found>,
}

impl Reading {
    /// Looks at all maps.
    pub fn take() -> Result<Self, FlowsError> {
        let mut flows = Vec::new();
        for info in loaded_maps() {
            match info {
                Ok(info) if is_ours(&info) => look(info.id(), &mut flows)?,
                Err(error) => pass_over(error)?,
                Ok(_) => {}
            }
        }
        Ok(Self { at: now(), flows })
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The state of `flow` in this reading, if it was there.
    pub fn of(&self, flow: &Found) -> Option<&FlowState> {
        self.flows.iter().find(|found| found.is(flow)).map(|found| &found.state)
    }

    /// How long before `later` this was taken.
    pub fn until(&self, later: &Self) -> Duration {
        Duration::from_nanos(later.at.saturating_sub(self.at))
    }
}

fn is_ours(info: &MapInfo) -> bool {
    info.name_as_str() == Some("FLOWS")
        && matches!(info.map_type(), Ok(MapType::Array))
        && info.value_size() as usize == size_of::<FlowState>()
}

/// Adds the flows of the map `id`.
fn look(id: u32, flows: &mut Vec<Found>) -> Result<(), FlowsError> {
    let map = match MapData::from_id(id).and_then(Map::from_map_data) {
        Ok(map) => map,
        Err(error) => return pass_over(error),
    };
    let opened = Flows::open(map).map_err(|source| FlowsError::Map { id, source })?;
    let alive = opened.held().filter(|(_, state)| Process::from_bits(state.owner).is_alive());
    flows.extend(alive.map(|(slot, state)| Found { map: id, slot, state }));
    Ok(())
}

/// A map may go between being listed and being opened. Everything else is
/// worth a word.
fn pass_over(error: aya::maps::MapError) -> Result<(), FlowsError> {
    let error = match error {
        aya::maps::MapError::SyscallError(SyscallError { io_error, .. }) => io_error,
        other => io::Error::other(other),
    };
    match error.raw_os_error() {
        Some(libc::ENOENT) => Ok(()),
        Some(libc::EPERM | libc::EACCES) => Err(FlowsError::Privilege),
        _ => Err(FlowsError::List(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{FlowsError, Found, Reading, pass_over};
    use aya::{maps::MapError, sys::SyscallError};
    use rtp_common::flow::FlowState;
    use std::{io, time::Duration};

    #[test]
    fn a_slot_that_was_taken_anew_is_another_flow() {
        let state = FlowState { owner: 7, cookie: 1, packets: 5, ..FlowState::default() };
        let found = Found { map: 3, slot: 0, state };
        let reading = Reading { at: 0, flows: vec![found] };
        assert_eq!(reading.of(&found).map(|state| state.packets), Some(5));
        for (case, other) in [
            ("another socket", Found { state: FlowState { cookie: 2, ..state }, ..found }),
            ("another process", Found { state: FlowState { owner: 8, ..state }, ..found }),
            ("another slot", Found { slot: 1, ..found }),
            ("another map", Found { map: 4, ..found }),
        ] {
            assert!(reading.of(&other).is_none(), "{case}");
        }
    }

    #[test]
    fn a_map_that_went_is_passed_over_and_a_closed_door_is_not() {
        let answer = |errno| {
            let io_error = io::Error::from_raw_os_error(errno);
            pass_over(MapError::SyscallError(SyscallError { call: "bpf", io_error }))
        };
        assert!(answer(libc::ENOENT).is_ok());
        assert!(matches!(answer(libc::EPERM), Err(FlowsError::Privilege)));
        assert!(matches!(answer(libc::ENOSYS), Err(FlowsError::List(_))));
    }

    #[test]
    fn time_between_readings_is_never_negative() {
        let at = |at| Reading { at, flows: Vec::new() };
        assert_eq!(at(5).until(&at(12)), Duration::from_nanos(7));
        assert_eq!(at(12).until(&at(5)), Duration::ZERO);
    }
}
