//! The prepared engine: `sendfile` hands over packets that stand in a file with
//! their RTP headers, and the kernel or the interface cuts them apart (UDP GSO).
//! No program, no privilege.

use super::{Checksum, Flow, SendError, Setting, Totals, batch_of, check_mtu, sendfile::Hand};
use crate::{
    media::{plan::Batch, prepared::Copy, source::Source},
    net::socket::FlowSocket,
    pace::Lateness,
    stop::Stop,
};
use rtp_common::{header::LEN as HEADER, timeline::Piece};
use std::{io, net::SocketAddr, ops::Range, sync::Arc};

/// One flow of the prepared engine.
#[derive(Debug)]
pub struct PreparedFlow {
    socket: FlowSocket,
    setting: Setting,
    copy: Arc<Copy>,
    /// Whether batches are cut behind the socket; if not, datagrams go one by one.
    segments: bool,
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
        let segments = match setting.checksum {
            Checksum::Full => u16::try_from(setting.payload as usize + HEADER)
                .is_ok_and(|octets| socket.set_segment(octets).is_ok()),
            // The kernel refuses GSO without checksums.
            Checksum::Zero => {
                socket.set_no_checksum()?;
                false
            }
        };
        let hand = Hand::of(&socket);
        Ok(Self { socket, setting, copy, segments, hand, packets: 0, octets: 0, last: None, stop })
    }

    fn send_batch(&mut self, source: &Source, place: &Range<u64>) -> io::Result<bool> {
        let octets = (place.end - place.start) as usize;
        if self.segments {
            match self.hand.over(&self.socket, source.file(), place.start, octets, &self.stop) {
                // The interface can neither checksum nor segment (kernels before 6.11).
                Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                    self.segments = false;
                    self.socket.set_segment(0)?;
                }
                other => return other,
            }
        }
        let packet = self.setting.payload as usize + HEADER;
        for offset in place.clone().step_by(packet) {
            let octets = packet.min((place.end - offset) as usize);
            if !self.hand.over(&self.socket, source.file(), offset, octets, &self.stop)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Flow for PreparedFlow {
    /// `pieces` say when packets are due; what their headers say stands in the file.
    fn send(&mut self, source: &mut Source, batch: &Batch, _pieces: &[Piece]) -> Result<bool, SendError> {
        check_mtu(&self.socket, &self.setting)?;
        let sent = self.send_batch(source, &self.copy.place(batch));
        let error = |error| SendError::of(self.destination(), &self.setting, self.socket.mtu().ok(), error);
        if !sent.map_err(error)? {
            return Ok(false);
        }
        self.packets += batch.packets as u64;
        self.octets += batch.octets as u64;
        self.last = Some(batch.first + batch.packets as u64 - 1);
        Ok(true)
    }

    /// Nobody looks at a flow of this engine but its process.
    fn show(&mut self, _lateness: &Lateness) {}

    fn waiting(&self) -> u64 {
        self.socket.waiting().unwrap_or_default()
    }

    fn totals(&self) -> Totals {
        let last = self.last.and_then(|packet| self.copy.numbers_of(packet).ok());
        Totals {
            packets: self.packets,
            octets: self.octets,
            last_sequence: last.map_or(self.setting.first_sequence.wrapping_sub(1), |last| last.sequence),
            last_timestamp: last.map_or(0, |last| last.timestamp),
            calls: self.hand.calls,
            refused: self.hand.refused,
        }
    }

    fn destination(&self) -> SocketAddr {
        self.socket.destination()
    }

    fn source(&self) -> SocketAddr {
        self.socket.source()
    }

    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn max_batch(&self) -> usize {
        batch_of(self.setting.payload as usize + HEADER)
    }
}
