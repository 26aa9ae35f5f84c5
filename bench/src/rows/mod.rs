//! The ways of sending that are compared. A row is one file here and one line
//! in [`ROWS`].

mod af_xdp;
mod gso_zerocopy;
mod io_uring_gso;
mod io_uring_send_zc;
mod io_uring_sendmsg_zc;
mod kmsend;
pub mod krtp_user;
mod krtpmsend;
pub mod krtpsendfile;
mod ksendfile;
pub mod means;
mod mmap_msend;
mod mmap_rtpmsend;
mod mmap_send;
mod mmap_send_msend;
mod mmap_send_rtp;
mod mmap_sendmmsg;
mod mmap_writev;
pub mod prepared;
mod read_send_rtp;
mod read_write;
pub mod read_writev;
pub mod row;
pub mod rtp_sendfile;
mod rtpsendfile;
mod sendfile_tcp;
mod sendfile_udp;
mod sendmmsg;
pub mod user_gso;

pub use row::{Group, Notices, Place, Row, Sender};

/// Every row, in the order of the paper's Table 1, today's behind them.
pub const ROWS: &[Row] = &[
    read_write::ROW,
    mmap_send::ROW,
    sendfile_udp::ROW,
    sendfile_tcp::ROW,
    mmap_msend::ROW,
    kmsend::ROW,
    ksendfile::ROW,
    read_send_rtp::ROW,
    read_writev::ROW,
    mmap_send_rtp::ROW,
    mmap_writev::ROW,
    rtp_sendfile::ROW,
    mmap_rtpmsend::ROW,
    mmap_send_msend::ROW,
    rtpsendfile::ROW,
    krtpsendfile::ROW,
    krtpmsend::ROW,
    sendmmsg::ROW,
    mmap_sendmmsg::ROW,
    user_gso::ROW,
    gso_zerocopy::ROW,
    io_uring_send_zc::ROW,
    io_uring_sendmsg_zc::ROW,
    io_uring_gso::ROW,
    af_xdp::ROW,
    krtp_user::ROW,
    prepared::ROW,
];

/// Rows that send no datagrams: they are shown, and not ranked with the others.
pub const APART: &[&str] = &[sendfile_tcp::ROW.key];
