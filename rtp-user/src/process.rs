//! Who holds a thing, and whether they still live. A process id alone is used
//! again; with the process's start time it is not.

use std::fs;

/// A process, by id and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time, clock ticks since boot, low 32 bits.
    pub start: u32,
}

impl Process {
    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { pid, start: start_time(pid).unwrap_or(0) }
    }

    /// As one number, never zero.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.pid) << 32) | u64::from(self.start)
    }

    /// The inverse of [`Self::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        Self { pid: (bits >> 32) as u32, start: bits as u32 }
    }

    /// Whether the process still runs.
    pub fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.start)
    }
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the second field, the command, may
/// hold spaces and brackets, so count from its end. A zombie counts as gone.
fn start_time(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let ticks: u64 = fields.nth(18)?.parse().ok()?;
    Some(ticks as u32)
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::process::Command;

    #[test]
    fn a_process_lives_until_it_is_reaped() {
        let own = Process::own();
        assert!(own.is_alive());
        assert_eq!(Process::from_bits(own.to_bits()), own);
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep runs");
        let process =
            Process { pid: child.id(), start: super::start_time(child.id()).expect("it has just started") };
        assert!(process.is_alive());
        child.kill().expect("our child");
        child.wait().expect("our child");
        assert!(!process.is_alive());
    }

    #[test]
    fn a_reused_process_id_is_another_process() {
        let own = Process::own();
        assert!(!Process { start: own.start.wrapping_add(1), ..own }.is_alive());
    }
}
