//! krtp streams media files as RTP with the kernel doing the per-packet work.
pub mod engine;
pub mod kernel;
pub mod net;
pub mod process;
