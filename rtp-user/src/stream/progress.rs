//! What a person sees while streams run.

use super::{
    programs::Log,
    sender::{Outcome, Progress},
};
use anyhow::{Context, Result};
use futures_util::future::{FutureExt as _, join_all};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

/// How often the line is drawn.
const REDRAW: Duration = Duration::from_millis(200);

/// The progress line on a terminal; nothing elsewhere.
pub struct Bar {
    shown: ProgressBar,
    /// Payload octets in all, if they end.
    total: Option<u64>,
    /// Payload octets that all streams together send in a second, if known.
    rate: Option<f64>,
}

impl Bar {
    /// A line on standard error, unless it is to be `quiet`.
    pub fn new(quiet: bool) -> Self {
        let target = if quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let shown = ProgressBar::with_draw_target(None, target);
        shown.set_style(style("reading {bar:24} {percent:>3}%"));
        Self { shown, total: None, rate: None }
    }

    /// `done` octets of `of` were read of a file, before it is played.
    pub fn reading(&self, done: u64, of: u64) {
        self.shown.set_length(of);
        self.shown.set_position(done);
    }

    /// Says something above the line.
    pub fn say(&self, what: &str) {
        self.shown.suspend(|| eprintln!("krtp: {what}"));
    }

    /// From now on the line is that of `total` payload octets, which leave at
    /// `rate` octets per second.
    pub fn begin(&mut self, total: Option<u64>, rate: Option<f64>) {
        (self.total, self.rate) = (total, rate);
        match total {
            Some(total) => {
                self.shown.set_length(total);
                self.shown.set_style(style("{bar:24} {percent:>3}%  {msg}"));
            }
            None => self.shown.set_style(style("{spinner} {msg}")),
        }
    }

    /// Draws until all senders have ended; the outcomes in the streams' order.
    pub async fn follow(
        self,
        senders: Vec<oneshot::Receiver<Vec<Outcome>>>,
        progress: &Progress,
        mut log: Log,
    ) -> Result<Vec<Outcome>> {
        let begun = Instant::now();
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut all = join_all(senders).boxed_local();
        let ended = loop {
            tokio::select! {
                ended = &mut all => break ended,
                () = log.show() => {}
                // A line that nobody sees is worth no wake-up.
                _ = redraw.tick(), if !self.shown.is_hidden() => self.draw(progress, begun.elapsed()),
            }
        };
        self.shown.finish_and_clear();
        let mut outcomes = Vec::new();
        for outcome in ended {
            outcomes.extend(outcome.context("a sender thread ended without a word: a bug in krtp")?);
        }
        outcomes.sort_by_key(|outcome| outcome.stream);
        Ok(outcomes)
    }

    fn draw(&self, progress: &Progress, elapsed: Duration) {
        let octets = progress.octets.load(Ordering::Relaxed);
        let packets = progress.packets.load(Ordering::Relaxed);
        let late = progress.late.load(Ordering::Relaxed);
        let measured = octets as f64 / elapsed.as_secs_f64().max(0.001);
        let rate = self.rate.unwrap_or(measured).max(1.0);
        let left = self.total.map_or_else(String::new, |total| {
            format!(", {} left", clock(total.saturating_sub(octets) as f64 / rate))
        });
        let late = if late > 0 { format!(", {} late", HumanCount(late)) } else { String::new() };
        self.shown.set_position(octets);
        self.shown.set_message(format!(
            "{}, {} packets, {:.2} Mb/s{late}{left}",
            HumanBytes(octets),
            HumanCount(packets),
            measured * 8.0 / 1e6
        ));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a fixed template")
}

/// Seconds as a person reads a duration.
fn clock(seconds: f64) -> String {
    let rounded = Duration::try_from_secs_f64(seconds + 0.5).unwrap_or(Duration::MAX);
    let seconds = rounded.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn durations_read_like_a_clock() {
        for (seconds, shown) in [(0.4, "0:00"), (59.6, "1:00"), (61.0, "1:01"), (3_725.0, "1:02:05")] {
            assert_eq!(clock(seconds), shown);
        }
    }
}
