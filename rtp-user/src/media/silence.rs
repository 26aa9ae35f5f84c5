//! Where the clock's PID has no PCRs.

use super::scan::{Counts, Scan};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// A PID whose PCRs are the clock, and that has none for a while, though others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// The PID.
    pub pid: u16,
    /// Its last PCR before that.
    pub octet: u64,
    /// How often that is so.
    pub times: u64,
}

impl Scan {
    /// Whether, and where first, the clock's PID has no PCR for more than a second.
    pub fn silence(&self) -> Option<Silence> {
        let Counts { silences: times, silent_from: octet, silent_pid, .. } = self.counts;
        let pid = u16::try_from(silent_pid).ok()?;
        (times > 0).then_some(Silence { pid, octet, times })
    }
}

impl Display for Silence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pid, octet, times } = self;
        write!(
            f,
            "no PCR on PID {pid} (0x{pid:x}) behind octet {octet} for a second and more, while others have some"
        )?;
        if *times > 1 { write!(f, "; so {times} times") } else { Ok(()) }
    }
}
