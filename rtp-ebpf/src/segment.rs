//! The second pass: one datagram of a flow becomes an RTP packet.

use crate::{
    batch, departure,
    flow::Flow,
    header,
    parse::{self, Datagram, ETH, ETH_P_IP, ETH_P_IPV6, IPV4, IPV6, UDP},
    room,
};
use aya_ebpf::programs::TcContext;
use rtp_common::{
    checksum::{ipv4_update, udp_field},
    header::{Header, LEN as RTP},
    reason::Drop,
    timeline::Piece,
};

/// Sends the datagram on as an RTP packet.
#[inline(always)]
pub fn send(ctx: &TcContext, flow: &Flow, priority: u32) -> Result<(), Drop> {
    // First of all: a packet that fails below must not shift its batch's rest.
    let (number, alone) = batch::number(flow, priority);
    let note = flow.note(number)?;
    let piece = flow.piece(note.piece, number)?;
    match parse::ethertype(ctx) {
        ETH_P_IP => rewrite::<IPV4>(ctx, flow, number, note.sum, &piece)?,
        ETH_P_IPV6 => rewrite::<IPV6>(ctx, flow, number, note.sum, &piece)?,
        _ => return Err(Drop::Shape),
    }
    departure::set(ctx, flow, &piece, number, alone);
    // SAFETY: the context is valid for the program's run; `priority` is writable in tc.
    unsafe { (*ctx.skb.skb).priority = flow.settings().priority };
    Ok(())
}

#[inline(always)]
fn rewrite<const IP: usize>(
    ctx: &TcContext,
    flow: &Flow,
    number: u64,
    sum: u16,
    piece: &Piece,
) -> Result<(), Drop> {
    let before = ctx.len();
    let lengthened = room::lengthen::<IP>(ctx, before)?;
    let datagram = Datagram::<IP>::read(ctx, before)?;
    room::make::<IP>(ctx)?;

    let octets = datagram.udp_length() - UDP as u32;
    let header = header::next(flow, piece, number, u64::from(octets));
    let length = datagram.udp_length() + RTP as u32;
    let field = if flow.settings().checksum != 0 {
        // The length counts twice: in the pseudo-header and in the UDP header.
        let covered = datagram.constant_sum() + 2 * u64::from(length);
        udp_field(covered + header.sum() + u64::from(sum))
    } else {
        0
    };
    write(ctx, &updated(datagram, length, field), &header)?;
    if lengthened { room::cut(ctx, before + RTP as u32) } else { Ok(()) }
}

/// The datagram's headers for `length` octets of UDP and the checksum `field`.
#[inline(always)]
fn updated<const IP: usize>(mut datagram: Datagram<IP>, length: u32, field: u16) -> Datagram<IP> {
    let first = u32::from_be(datagram.ip[0]);
    let second = u32::from_be(datagram.ip[1]);
    if IP == IPV4 {
        let total = length + IP as u32 * 4;
        let third = u32::from_be(datagram.ip[2]);
        let sum = ipv4_update(third as u16, u64::from(first & 0xffff), u64::from(total));
        datagram.ip[0] = ((first & 0xffff_0000) | total).to_be();
        datagram.ip[2] = ((third & 0xffff_0000) | u32::from(sum)).to_be();
    } else {
        datagram.ip[1] = ((length << 16) | (second & 0xffff)).to_be();
    }
    datagram.udp[1] = ((length << 16) | u32::from(field)).to_be();
    datagram
}

/// Fills the room that [`room::make`] made.
#[inline(always)]
fn write<const IP: usize>(ctx: &TcContext, datagram: &Datagram<IP>, header: &Header) -> Result<(), Drop> {
    let start = ctx.data() + ETH;
    if ctx.data() + room::end::<IP>() > ctx.data_end() {
        return Err(Drop::Room);
    }
    let rtp = header.words().map(u32::to_be);
    // SAFETY: in bounds, as just checked; alignment as in `parse::words`.
    unsafe {
        *(start as *mut [u32; IP]) = datagram.ip;
        *((start + IP * 4) as *mut [u32; 2]) = datagram.udp;
        *((start + IP * 4 + UDP) as *mut [u32; 3]) = rtp;
        *((start + IP * 4 + UDP + RTP) as *mut [u32; 2]) = datagram.ahead;
    }
    Ok(())
}
