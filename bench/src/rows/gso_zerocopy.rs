//! UDP GSO whose payloads are sent from the page cache itself
//! (`MSG_ZEROCOPY`): no copy, but a packet in the kernel is 17 pieces of pages
//! at most, and a header is one.

use super::{
    means::{completions::Completions, segmented},
    row::{Group, Notices, Row, Sender},
};
use crate::{
    devices::{Namespace, Target},
    media::Media,
    stream::header,
};
use anyhow::{Context, ensure};
use nix::libc;
use rtp_common::header::LEN;
use socket2::Socket;
use std::{io::IoSlice, ops::Range};

pub const ROW: Row = Row {
    key: "gso_zerocopy",
    group: Group::Today,
    added: false,
    calls: "n/7 + n/448",
    copies: &[],
    does: "As user_gso, with MSG_ZEROCOPY: headers and payloads are handed over as pieces of pages. The \
           error queue is read for completions after every 64 calls.",
    cost: "No payload is copied, but the kernel pins and counts every page, and a packet within the kernel \
           holds 17 pieces (MAX_SKB_FRAGS): about 7 RTP packets instead of 49. To a receiver on the same host \
           (veth) the kernel copies after all.",
    differs: None,
    open,
};

/// `MAX_SKB_FRAGS`, as kernels are built by default.
const PIECES: usize = 17;
/// Calls before completions are waited for.
const CALLS: usize = 64;
/// The kernel counts in pages of so many octets.
const PAGE: usize = 4096;

/// A header in no more than one page.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Place([u8; LEN]);

struct GsoZerocopy {
    socket: Socket,
    completions: Completions,
    /// Of all calls that have not been completed.
    headers: Vec<Place>,
    number: u64,
}

fn open(_: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
    let socket = segmented::socket(target, media, LEN)?;
    let completions = Completions::on(&socket)?;
    let headers = vec![Place::default(); CALLS * PIECES / 2];
    Ok(Box::new(GsoZerocopy { socket, completions, headers, number: 0 }))
}

impl Sender for GsoZerocopy {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let (mut next, mut used) = (packets.start, 0);
        while next < packets.end {
            let batch = next..next + fitting(media, next..packets.end);
            let headers = &mut self.headers[used..][..batch.len()];
            for (place, number) in headers.iter_mut().zip(self.number..) {
                place.0 = header(number);
            }
            let mut parts = [IoSlice::new(&[]); PIECES];
            for ((pair, header), packet) in parts.chunks_exact_mut(2).zip(&*headers).zip(batch.clone()) {
                pair[0] = IoSlice::new(&header.0);
                pair[1] = IoSlice::new(media.payload(packet));
            }
            let parts = &parts[..2 * batch.len()];
            let sent = self.socket.send_vectored_with_flags(parts, libc::MSG_ZEROCOPY).context("sendmsg")?;
            ensure!(sent == batch.len() * (LEN + media.payload_len), "sendmsg took {sent} octets");
            self.number += batch.len() as u64;
            used += batch.len();
            next = batch.end;
            if self.completions.called() == CALLS {
                self.completions.reap(&self.socket)?;
                used = 0;
            }
        }
        self.completions.reap(&self.socket)
    }

    fn notices(&self) -> Option<Notices> {
        Some(self.completions.notices)
    }
}

/// How many of `packets` are no more than [`PIECES`] pieces.
fn fitting(media: &Media, packets: Range<usize>) -> usize {
    let mut pieces = 0;
    let fits = |packet: &usize| {
        let first = packet * media.payload_len;
        // The header, and the pages that the payload lies in.
        pieces += 1 + (first + media.payload_len - 1) / PAGE - first / PAGE + 1;
        pieces <= PIECES
    };
    packets.take_while(fits).count()
}
