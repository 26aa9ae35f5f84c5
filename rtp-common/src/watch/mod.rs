//! What `krtp watch` and its program agree on: the structs of the maps, and
//! everything that is counted and measured of an RTP stream, as pure functions
//! of a packet and its time of arrival.

pub mod frame;
pub mod histogram;
pub mod sequence;
pub mod settings;
pub mod stats;
pub mod timing;
