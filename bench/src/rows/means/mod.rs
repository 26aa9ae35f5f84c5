//! What several rows are made of.

pub mod by_hand;
pub mod completions;
pub mod cork;
pub mod datagrams;
pub mod flow;
pub mod ring;
pub mod segmented;
pub mod slots;
pub mod zerocopy;
