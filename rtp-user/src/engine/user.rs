//! The user engine: headers built here, UDP GSO, no privilege. The same bytes
//! on the wire.

use super::{Flow, Outline, SendError, Setting, Totals, header, is_refusal, outlet::Outlet};
use crate::{
    media::{plan::Batch, source::Source},
    net::socket::FlowSocket,
    pace::Lateness,
    stop::Stop,
};
use rtp_common::{header::LEN as HEADER, timeline::Piece};
use std::io::{self, IoSlice};

/// One flow of the user engine.
#[derive(Debug)]
pub struct UserFlow {
    outlet: Outlet,
    totals: Totals,
    stop: Stop,
}

impl UserFlow {
    /// A flow through `socket`.
    pub fn open(socket: FlowSocket, setting: Setting, stop: Stop) -> io::Result<Self> {
        let outlet = Outlet::of_packets(socket, setting)?;
        let last_sequence = setting.first_sequence.wrapping_sub(1);
        let totals = Totals { last_sequence, ..Totals::default() };
        Ok(Self { outlet, totals, stop })
    }

    /// Sends headers and payloads as one batch. `Ok(false)`: not sent, to stop.
    fn hand_over(&mut self, headers: &[[u8; HEADER]], payloads: &[u8]) -> io::Result<bool> {
        let payloads = payloads.chunks(self.outlet.setting().payload as usize);
        let slices: Vec<IoSlice<'_>> = headers
            .iter()
            .zip(payloads)
            .flat_map(|(header, payload)| [IoSlice::new(header), IoSlice::new(payload)])
            .collect();
        loop {
            self.totals.calls += 1;
            match self.outlet.socket.sock_ref().send_vectored(&slices) {
                Ok(_) => return Ok(true),
                Err(error) if is_refusal(&error) => self.totals.refused += 1,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    if self.stop.is_set() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn send_batch(&mut self, payloads: &[u8], pieces: &[Piece]) -> io::Result<bool> {
        let octets = self.outlet.setting().payload as usize;
        let headers: Vec<_> = (0..)
            .zip(payloads.chunks(octets))
            .map(|(ahead, _)| header(self.outlet.setting(), self.totals.packets + ahead, pieces).to_bytes())
            .collect();
        if self.outlet.cuts {
            match self.hand_over(&headers, payloads) {
                Err(error) if self.outlet.cannot_cut(&error) => {}
                other => return other,
            }
        }
        for (header, payload) in headers.iter().zip(payloads.chunks(octets)) {
            if !self.hand_over(std::slice::from_ref(header), payload)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Flow for UserFlow {
    fn send(&mut self, source: &mut Source, batch: &Batch, pieces: &[Piece]) -> Result<bool, SendError> {
        self.outlet.check_mtu()?;
        let payloads = source.read(batch)?;
        if !self.send_batch(payloads, pieces).map_err(|source| self.outlet.error(source))? {
            return Ok(false);
        }
        let last = header(self.outlet.setting(), self.totals.packets + batch.packets as u64 - 1, pieces);
        self.totals.packets += batch.packets as u64;
        self.totals.octets += batch.octets as u64;
        self.totals.last_sequence = last.sequence;
        self.totals.last_timestamp = last.timestamp;
        Ok(true)
    }

    /// Nobody looks at a flow of this engine but its process.
    fn show(&mut self, _lateness: &Lateness) {}

    fn waiting(&self) -> u64 {
        self.outlet.waiting()
    }

    fn totals(&self) -> Totals {
        self.totals
    }

    fn outline(&self) -> &Outline {
        &self.outlet.outline
    }
}
