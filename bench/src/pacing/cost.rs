//! What a sender costs: its processor time and its wake-ups, as the kernel counted them for wait4(2).

use anyhow::Context;
use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::TimeValLike,
};
use std::{fs, process::Command};

/// Of one child, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// The user part of it, seconds.
    pub user_seconds: f64,
    /// Voluntary context switches: how often it slept and was woken.
    pub wakeups: i64,
    /// Processor time of everything on the machine meanwhile, seconds: kernel work that no process is charged for (fq's
    /// timer) is in it, and so is the receiver.
    pub machine_seconds: f64,
}

/// Runs `command` to its end; whether it ended well, and what it cost. Nobody else may wait for children meanwhile.
pub fn of(command: &mut Command) -> anyhow::Result<(bool, Cost)> {
    of_all(std::slice::from_mut(command))
}

/// The same of several at once: whether all ended well, and what they cost together.
pub fn of_all(commands: &mut [Command]) -> anyhow::Result<(bool, Cost)> {
    let (children, machine) = (children()?, machine()?);
    let start = |command: &mut Command| {
        let program = command.get_program().to_string_lossy().into_owned();
        command.spawn().with_context(|| format!("cannot run {program}"))
    };
    let running: Vec<_> = commands.iter_mut().map(start).collect();
    let mut well = true;
    for child in running {
        well &= child?.wait()?.success();
    }
    let after = self::children()?;
    let cost = Cost {
        cpu_seconds: seconds(&after) - seconds(&children),
        user_seconds: user(&after) - user(&children),
        wakeups: after.voluntary_context_switches() - children.voluntary_context_switches(),
        machine_seconds: self::machine()? - machine,
    };
    Ok((well, cost))
}

fn children() -> anyhow::Result<Usage> {
    getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")
}

fn seconds(usage: &Usage) -> f64 {
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

fn user(usage: &Usage) -> f64 {
    usage.user_time().num_microseconds() as f64 / 1e6
}

fn machine() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy(&stat).map(|ticks| ticks as f64 / TICKS).context("/proc/stat has no line for all processors")
}

/// `USER_HZ`, which is 100 on every architecture that counts (proc(5)).
const TICKS: f64 = 100.0;

/// Ticks of all processors that were not idle: user, nice, system, then idle and iowait, then irq and softirq.
fn busy(stat: &str) -> Option<u64> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = all.split_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    Some(ticks.get(..3)?.iter().chain(ticks.get(5..7)?).sum())
}

#[cfg(test)]
mod tests {
    use super::{busy, of, of_all};
    use std::process::Command;

    #[test]
    fn several_children_count_together() {
        let sleeper = || {
            let mut sleeper = Command::new("sleep");
            sleeper.arg("0.01");
            sleeper
        };
        let (good, cost) = of_all(&mut [sleeper(), sleeper(), sleeper()]).unwrap();
        assert!(good && cost.wakeups >= 3, "{cost:?}");
        assert!(!of_all(&mut [sleeper(), Command::new("false")]).unwrap().0);
    }

    #[test]
    fn a_child_that_works_and_one_that_sleeps() {
        let (good, cost) = of(Command::new("sh").args(["-c", "sleep 0.01; exit 3"])).unwrap();
        assert!(!good);
        assert!(cost.cpu_seconds < 1.0 && cost.wakeups >= 1, "{cost:?}");
        let (good, cost) =
            of(Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"])).unwrap();
        assert!(good && cost.cpu_seconds > 0.001, "{cost:?}");
    }

    #[test]
    fn idle_processors_are_not_busy() {
        assert_eq!(busy("cpu  1 2 4 800 1600 8 16 32 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"), Some(31));
        assert_eq!(busy("intr 5\n"), None);
    }
}
