//! Packets that were handed over and that the program did not see: lost with
//! something that happens on a network and passes, or past the program.

use super::SendError;
use crate::{monotonic::Seldom, net::hindrance::Hindrance};
use std::net::SocketAddr;

/// A reason can be gone before anybody looks for it, and one batch proves nothing: the
/// program is bypassed if so many in a row are missing without a reason,
const BATCHES: u32 = 4;
/// and for so long, nanoseconds.
const PATIENCE: u64 = 100_000_000;
/// Meanwhile they are this far apart: they may be leaving without headers.
const PAUSE: u64 = PATIENCE / 4;
/// What is said of a doubt that was wrong.
const OVER: &str = "packets were lost before they reached the interface; what kept them from it is over";

/// A flow's missing packets.
#[derive(Debug)]
pub(super) struct Missing {
    destination: SocketAddr,
    /// How many there were after the last batch. Those that wait for a next hop may still come.
    known: u64,
    /// What was said of why, each once.
    said: Vec<&'static str>,
    /// A reason that was found is taken to hold until then (`CLOCK_MONOTONIC`, ns).
    holds_until: u64,
    doubt: Option<Doubt>,
}

/// Batches in a row that are missing without a reason.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// When the first was found missing.
    since: u64,
    /// When the last was.
    last: u64,
    batches: u32,
    /// Their packets.
    sent: u64,
    /// Packets that were missing before.
    before: u64,
}

impl Missing {
    /// None yet, of a flow to `destination`.
    pub fn of(destination: SocketAddr) -> Self {
        Self { destination, known: 0, said: Vec::new(), holds_until: 0, doubt: None }
    }

    /// Whether any ever were: those that waited may find their sums gone.
    pub fn ever(&self) -> bool {
        self.doubt.is_some() || !self.said.is_empty()
    }

    /// Whether the last batch is missing without a reason.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Until when the next batch is to wait, if it is.
    pub fn pauses_until(&self) -> Option<u64> {
        self.doubt.map(|doubt| doubt.last + PAUSE)
    }

    /// Takes note that `missing` packets are missing, after a batch. `true`: they are more than
    /// before, and a reason has to be looked for.
    pub fn note(&mut self, missing: u64, now: u64) -> bool {
        if missing > self.known && now >= self.holds_until {
            return true;
        }
        self.known = missing;
        if self.doubt.take().is_some_and(|doubt| missing > doubt.before) {
            self.say(OVER);
        }
        false
    }

    /// That is why.
    pub fn explain(&mut self, hindrance: Hindrance, missing: u64, now: u64) {
        self.known = missing;
        self.doubt = None;
        self.holds_until = now + Seldom::EVERY;
        self.say(hindrance.words());
    }

    /// No reason can be found for what is missing of a batch of `sent` packets.
    pub fn doubt(&mut self, missing: u64, sent: u64, now: u64) -> Result<(), SendError> {
        let fresh = Doubt { since: now, last: now, batches: 0, sent: 0, before: self.known };
        let mut doubt = self.doubt.unwrap_or(fresh);
        doubt = Doubt { last: now, batches: doubt.batches + 1, sent: doubt.sent + sent, ..doubt };
        self.known = missing;
        self.doubt = Some(doubt);
        if doubt.batches >= BATCHES && now - doubt.since >= PATIENCE {
            return Err(self.bypassed(doubt));
        }
        Ok(())
    }

    /// The flow ends with `missing` of its `handed_over` packets: no batch comes that could
    /// clear a doubt up. It stays one if all that is missing is the last batch of several.
    pub fn conclude(&mut self, missing: u64, handed_over: u64) -> Result<(), SendError> {
        self.known = missing;
        match self.doubt {
            Some(doubt) if missing > doubt.before && (doubt.batches > 1 || doubt.sent == handed_over) => {
                Err(self.bypassed(doubt))
            }
            _ => Ok(()),
        }
    }

    fn bypassed(&self, doubt: Doubt) -> SendError {
        let missing = self.known - doubt.before;
        SendError::Bypassed { destination: self.destination, missing, sent: doubt.sent }
    }

    fn say(&mut self, words: &'static str) {
        if !self.said.contains(&words) {
            self.said.push(words);
            tracing::warn!("{}: {words}", self.destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, Missing, OVER, PATIENCE, PAUSE};
    use crate::{
        engine::SendError,
        monotonic::Seldom,
        net::hindrance::Hindrance::{NoCarrier, Silent},
    };

    fn missing() -> Missing {
        Missing::of("198.18.0.2:5004".parse().expect("an address"))
    }

    /// What the end says: packets missing, packets sent.
    fn bypassed(end: Result<(), SendError>) -> Option<(u64, u64)> {
        match end {
            Ok(()) => None,
            Err(SendError::Bypassed { missing, sent, .. }) => Some((missing, sent)),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn batches_in_a_row_without_a_reason_end_the_flow() {
        for pause in [PAUSE, PATIENCE] {
            let mut missing = missing();
            // Lost before, with a reason.
            missing.explain(Silent, 5, 0);
            let end = (1..).find_map(|batch| {
                let now = Seldom::EVERY + u64::from(batch) * pause;
                assert!(missing.note(5 + 2 * u64::from(batch), now), "{pause}: batch {batch}");
                let end = bypassed(missing.doubt(5 + 2 * u64::from(batch), 3, now))?;
                Some((batch, end))
            });
            let batches = BATCHES.max((PATIENCE / pause) as u32 + 1);
            let [lost, sent] = [2, 3].map(|packets| packets * u64::from(batches));
            assert_eq!(end, Some((batches, (lost, sent))), "{pause}");
        }
    }

    #[test]
    fn many_batches_at_once_prove_nothing_yet() {
        let mut missing = missing();
        for batch in 1..100 {
            assert_eq!(bypassed(missing.doubt(batch, 1, PATIENCE)), None, "{batch}");
            assert_eq!(missing.pauses_until(), Some(PATIENCE + PAUSE), "{batch}");
        }
    }

    #[test]
    fn a_batch_that_passes_ends_a_doubt_and_the_loss_is_said_once() {
        let mut missing = missing();
        for round in 1..10 {
            let now = round * 2 * PATIENCE;
            assert!(missing.note(3 * round, now));
            assert_eq!(bypassed(missing.doubt(3 * round, 3, now)), None);
            assert!(missing.ever());
            assert!(!missing.note(3 * round, now + PAUSE), "the next one passes");
            assert_eq!((missing.pauses_until(), &missing.said[..]), (None, &[OVER][..]));
        }
    }

    #[test]
    fn packets_that_come_late_were_not_lost() {
        let mut missing = missing();
        assert!(missing.note(3, 1));
        assert_eq!(bypassed(missing.doubt(3, 3, 1)), None);
        assert!(!missing.note(0, 2));
        assert!(!missing.ever());
    }

    #[test]
    fn a_reason_ends_a_doubt_and_holds_for_a_while() {
        let mut missing = missing();
        assert_eq!(bypassed(missing.doubt(3, 3, 0)), None);
        missing.explain(NoCarrier, 6, 1);
        assert_eq!(missing.pauses_until(), None);
        assert!(!missing.note(9, Seldom::EVERY));
        assert!(missing.note(12, 1 + Seldom::EVERY));
        missing.explain(Silent, 12, 1 + Seldom::EVERY);
        missing.explain(NoCarrier, 13, 2 + Seldom::EVERY);
        assert_eq!(missing.said, [NoCarrier.words(), Silent.words()]);
    }

    #[test]
    fn a_doubt_at_the_end() {
        let after = |batches: u64, passed: u64, came: u64| {
            let mut missing = missing();
            for batch in 1..=batches {
                assert_eq!(bypassed(missing.doubt(3 * batch, 3, 0)), None);
            }
            let end = missing.conclude(3 * batches - came, 3 * batches + passed);
            bypassed(end)
        };
        assert_eq!(after(0, 7, 0), None);
        assert_eq!(after(1, 7, 0), None, "the last of several batches");
        assert_eq!(after(1, 0, 0), Some((3, 3)), "the only one");
        assert_eq!(after(2, 7, 0), Some((6, 6)), "more than one");
        assert_eq!(after(2, 7, 6), None, "late");
    }
}
