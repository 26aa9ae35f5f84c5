//! Prepared files: copies in which each payload stands behind its RTP header
//! already, so that one `sendfile` hands over complete packets.

mod copy;
mod error;
pub mod format;

pub use copy::{Copy, is_prepared};
pub use error::{CopyError, Damage};
