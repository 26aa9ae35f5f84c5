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

/// How much slower than a common machine this one is, by the environment
/// variable `KRTP_TEST_SLOWNESS` (1 if there is none): every time limit of the
/// tests is that much longer. `cargo xtask kernels` sets it where there is no KVM.
pub fn slowness() -> u32 {
    let set = std::env::var("KRTP_TEST_SLOWNESS");
    set.map_or(1, |set| set.parse().unwrap_or_else(|_| panic!("KRTP_TEST_SLOWNESS={set} is no number")))
}

/// How long anything may take that is not paced: generous, because a slow
/// machine is no failure.
pub fn patience() -> Duration {
    Duration::from_mins(1) * slowness()
}

/// Where krtp's program hangs on this kernel, as krtp reports it: tcx came with
/// Linux 6.6 (commit e420bed02507).
pub fn hook() -> &'static str {
    let uname = rustix::system::uname();
    let release = uname.release().to_str().expect("kernels are named in ASCII");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let version: (u32, u32) = numbers.next().zip(numbers.next()).expect("two numbers at least");
    if version >= (6, 6) { "tcx" } else { "clsact" }
}

/// What krtp reports of the way over a common cable.
pub fn common_path() -> String {
    format!("{}, batches through the segmenter", hook())
}
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// Looks until `look` finds something; panics with `what` after [`patience`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {:?} there was no {what}", patience());
        thread::sleep(LOOK);
    }
}
