//! The eBPF program under `BPF_PROG_TEST_RUN`: input packet and context in,
//! verdict, packet, context and counters out. Needs root, and nothing else:
//! no interface, no namespace, no traffic.
//!
//! The expected packets are built here from their fields, by code that shares
//! nothing with the program: `rtp-types` for the RTP header, a literal reading
//! of RFC 1071 for the checksums.
//!
//! What cannot be shown here: `test_run` packets are linear, shorter than a
//! page, have no checksum offload and no UDP GSO type, and belong to a socket
//! that is nobody's flow.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a test's counts and lengths are small, and packet numbers become timestamps modulo 2^32"
)]

mod batch;
mod bystander;
mod checksum;
mod frame;
mod prepared;
mod rewrite;
mod rig;
mod shape;
mod skb;
mod state;
