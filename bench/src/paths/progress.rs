//! How far the measurement is, on standard error.

use super::condition::Condition;
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often a line is written where there is no terminal.
const SELDOM: Duration = Duration::from_secs(5);
/// How often it is written anew where there is one.
const OFTEN: Duration = Duration::from_millis(200);

/// Steps done of all there are; a step is one sample.
#[derive(Debug)]
pub struct Progress {
    done: usize,
    all: usize,
    begin: Instant,
    said: Instant,
    terminal: bool,
}

impl Progress {
    /// Of so many samples.
    pub fn new(all: usize) -> Self {
        let now = Instant::now();
        Self { done: 0, all, begin: now, said: now, terminal: io::stderr().is_terminal() }
    }

    /// One more sample begins.
    pub fn step(&mut self, condition: &Condition, round: usize, row: &str) {
        let interval = if self.terminal { OFTEN } else { SELDOM };
        if self.said.elapsed() >= interval {
            self.said = Instant::now();
            let Condition { name, payload, rounds, .. } = condition;
            let left = left(self.begin.elapsed(), self.done, self.all);
            let line = format!(
                "krtp-bench: {name}, {payload} octets: round {} of {rounds}, {row}; about {left} left",
                round + 1
            );
            if self.terminal {
                eprint!("\r{line:<79}");
            } else {
                eprintln!("{line}");
            }
            // What cannot be shown is not waited for.
            let _ = io::stderr().flush();
        }
        self.done += 1;
    }

    /// All is done.
    pub fn end(&self) {
        if self.terminal {
            eprint!("\r{:79}\r", "");
        }
    }
}

/// The time that the rest takes if it goes on like this.
fn left(elapsed: Duration, done: usize, all: usize) -> String {
    let each = elapsed.as_secs_f64() / done.max(1) as f64;
    let seconds = (each * all.saturating_sub(done) as f64).round();
    if seconds < 90.0 { format!("{seconds} s") } else { format!("{} min", (seconds / 60.0).round()) }
}

#[cfg(test)]
mod tests {
    use super::left;
    use std::time::Duration;

    #[test]
    fn what_is_left_goes_by_what_is_done() {
        for (elapsed, done, all, expected) in [
            (10, 10, 20, "10 s"),
            (10, 1, 61, "10 min"),
            (0, 0, 9, "0 s"),
            (9, 9, 9, "0 s"),
            (30, 10, 40, "2 min"),
        ] {
            assert_eq!(left(Duration::from_secs(elapsed), done, all), expected, "{done} of {all}");
        }
    }
}
