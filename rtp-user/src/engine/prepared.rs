//! The prepared engine: `sendfile` hands over packets that stand in a file with
//! their RTP headers, and the kernel or the interface cuts them apart (UDP GSO).
//! It needs no program and no privilege; where a program is on the interface, it
//! counts what passes.

use super::{
    Flow, Outline, SendError, Setting, Totals,
    outlet::Outlet,
    registration::{OpenError, Registration, describe},
    sendfile::Hand,
};
use crate::{
    kernel::attach::SharedMaps,
    media::{plan::Batch, prepared::Copy, source::Source},
    net::socket::FlowSocket,
    pace::Lateness,
    stop::Stop,
};
use rtp_common::{carrier, flow::FlowState, header::LEN as HEADER, timeline::Piece};
use std::{io, ops::Range, sync::Arc};

/// One flow of the prepared engine.
#[derive(Debug)]
pub struct PreparedFlow {
    /// With the program that counts it, if one does.
    registration: Option<Registration>,
    outlet: Outlet,
    copy: Arc<Copy>,
    hand: Hand,
    packets: u64,
    octets: u64,
    /// The packet of the file that was sent last.
    last: Option<u64>,
    stop: Stop,
}

impl PreparedFlow {
    /// A flow of `copy`, whose headers say what `setting` says, through `socket`.
    pub fn open(socket: FlowSocket, setting: Setting, copy: Arc<Copy>, stop: Stop) -> io::Result<Self> {
        let outlet = Outlet::of_packets(socket, setting)?;
        let hand = Hand::of(&outlet.socket);
        Ok(Self { registration: None, outlet, copy, hand, packets: 0, octets: 0, last: None, stop })
    }

    /// Has the program whose maps these are count it on the interface of that
    /// index. What leaves through another one is not counted.
    pub fn account(&mut self, maps: &SharedMaps, interface: u32) -> Result<(), OpenError> {
        let state = FlowState { prepared: 1, ..describe(&self.outlet.outline, interface) };
        let registration = Registration::of(maps, &self.outlet.socket, state)?;
        self.outlet.socket.set_priority(carrier::COUNTED).map_err(OpenError::of("SO_PRIORITY"))?;
        self.registration = Some(registration);
        Ok(())
    }

    /// Goes on without the program, if it is about to be detached.
    fn let_go(&mut self) -> io::Result<()> {
        let Some(registration) = self.registration.take_if(|registration| registration.is_to_leave()) else {
            return Ok(());
        };
        tracing::warn!(
            "{}: goes on unaccounted, as the interface was detached",
            self.outlet.outline.destination
        );
        self.outlet.socket.set_priority(registration.priority)
    }

    fn send_batch(&mut self, source: &Source, place: &Range<u64>) -> io::Result<bool> {
        let octets = (place.end - place.start) as usize;
        if self.outlet.cuts {
            match self.hand.over(&self.outlet.socket, source.file(), place.start, octets, &self.stop) {
                Err(error) if self.outlet.cannot_cut(&error) => {}
                other => return other,
            }
        }
        let packet = self.outlet.setting().payload as usize + HEADER;
        for offset in place.clone().step_by(packet) {
            let octets = packet.min((place.end - offset) as usize);
            if !self.hand.over(&self.outlet.socket, source.file(), offset, octets, &self.stop)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Flow for PreparedFlow {
    /// `pieces` say when packets are due; what their headers say stands in the file.
    fn send(&mut self, source: &mut Source, batch: &Batch, _pieces: &[Piece]) -> Result<bool, SendError> {
        self.outlet.check_mtu()?;
        let place = self.copy.place(batch);
        let sent = self.let_go().and_then(|()| self.send_batch(source, &place));
        if !sent.map_err(|source| self.outlet.error(source))? {
            return Ok(false);
        }
        self.packets += batch.packets as u64;
        self.octets += batch.octets as u64;
        self.last = Some(batch.first + batch.packets as u64 - 1);
        Ok(true)
    }

    fn show(&mut self, lateness: &Lateness) {
        let Some(registration) = &self.registration else {
            return;
        };
        let Totals { last_sequence, last_timestamp, .. } = self.totals();
        registration.with(|maps, slot| {
            maps.flows.show(slot, lateness);
            maps.flows.show_numbers(slot, last_sequence.wrapping_add(1), last_timestamp);
        });
    }

    fn waiting(&self) -> u64 {
        self.outlet.waiting()
    }

    fn totals(&self) -> Totals {
        let last = self.last.and_then(|packet| self.copy.numbers_of(packet).ok());
        Totals {
            packets: self.packets,
            octets: self.octets,
            last_sequence: last
                .map_or(self.outlet.setting().first_sequence.wrapping_sub(1), |last| last.sequence),
            last_timestamp: last.map_or(0, |last| last.timestamp),
            calls: self.hand.calls,
            refused: self.hand.refused,
        }
    }

    fn outline(&self) -> &Outline {
        &self.outlet.outline
    }
}
