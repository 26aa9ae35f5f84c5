//! What a person sees while a stream runs.

use super::{
    play::{Ended, Play, Progress},
    setup::Log,
};
use crate::pace::Rate;
use anyhow::{Context, Result};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Arc, atomic::Ordering},
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
    seen: Arc<Progress>,
    total: Option<u64>,
    rate: Option<Rate>,
    begun: Instant,
}

impl Bar {
    /// A line for `play`, on standard error.
    pub fn new(play: &Play, json: bool) -> Self {
        let total = play.plays.map(|plays| plays.saturating_mul(play.plan.octets()));
        let target = if json || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { "{bar:24} {percent:>3}%  {msg}" } else { "{spinner} {msg}" };
        bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
        let rate = play.rate.filter(|_| play.paced);
        Self { shown: bar, seen: Arc::clone(&play.progress), total, rate, begun: Instant::now() }
    }

    /// Draws until the sender has ended.
    pub async fn follow(self, mut sender: oneshot::Receiver<Ended>, mut log: Log) -> Result<Ended> {
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let ended = loop {
            tokio::select! {
                ended = &mut sender => break ended,
                () = log.show() => {}
                _ = redraw.tick() => self.draw(),
            }
        };
        self.shown.finish_and_clear();
        ended.context("the sender thread ended without a word: a bug in krtp")
    }

    fn draw(&self) {
        let octets = self.seen.octets.load(Ordering::Relaxed);
        let packets = self.seen.packets.load(Ordering::Relaxed);
        let elapsed = self.begun.elapsed().as_secs_f64();
        let bits = octets as f64 * 8.0 / elapsed.max(0.001);
        let left = match (self.total, self.rate) {
            (Some(total), Some(rate)) => {
                Some(rate.duration(total.saturating_sub(octets).into()).as_secs_f64())
            }
            (Some(total), None) => Some(elapsed * total.saturating_sub(octets) as f64 / octets.max(1) as f64),
            (None, _) => None,
        };
        let left = left.map_or_else(String::new, |seconds| format!(", {} left", clock(seconds)));
        self.shown.set_position(octets);
        self.shown.set_message(format!(
            "{}, {} packets, {:.2} Mb/s{left}",
            HumanBytes(octets),
            HumanCount(packets),
            bits / 1e6
        ));
    }
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
