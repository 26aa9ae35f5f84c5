//! What several rows are made of.

pub mod by_hand;
pub mod completions;
pub mod cork;
pub mod datagrams;
pub mod ring;
pub mod segmented;
pub mod slots;
pub mod zerocopy;
