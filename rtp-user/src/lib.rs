//! krtp streams media files as RTP with the kernel doing the per-packet work.

pub mod cli;
mod course;
pub mod doctor;
pub mod engine;
pub mod flows;
pub mod indexing;
pub mod kernel;
pub mod line;
pub mod media;
pub mod monotonic;
pub mod net;
pub mod pace;
pub mod prepare;
pub mod print;
pub mod probe;
pub mod process;
pub mod schedule;
pub mod sdp;
pub mod stop;
pub mod stream;
pub mod watch;
