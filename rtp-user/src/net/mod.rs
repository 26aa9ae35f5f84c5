//! Net.
pub mod netlink;
pub mod socket;
