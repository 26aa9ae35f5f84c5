//! What the end-to-end tests share: namespaces with a cable between them, the
//! command under test, and an independent reader of what is on the wire.
//!
//! Every test makes its own namespaces and its own cache directory, so that all
//! of them can run at once, and nothing of the host is touched.

#![allow(dead_code, reason = "every test binary compiles this and uses its own part of it")]
#![allow(unused_imports, reason = "the same")]

pub mod audio;
pub mod capture;
pub mod command;
pub mod expect;
pub mod media;
pub mod net;
pub mod packet;
pub mod state;
pub mod tcx;

pub use capture::Capture;
pub use command::{Ended, Krtp, Running};
pub use expect::Stream;
pub use net::{Namespace, Net};
pub use state::{Held, State};

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that is not paced: generous, because a slow
/// machine is no failure.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// Looks until `look` finds something; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {PATIENCE:?} there was no {what}");
        thread::sleep(LOOK);
    }
}
