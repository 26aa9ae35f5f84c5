//! What a process knows of the files it plays: every file is read ahead once,
//! however many flows play it, and what was read is kept for the next start.

use super::{
    Media,
    clock::Clock,
    index::{Index, IndexError, Key},
    making::Making,
    plan::Plan,
    source::{Source, Timing},
};
use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// Which clock a source is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockWish {
    /// None.
    None,
    /// This one.
    Even(Clock),
    /// That of the transport stream's PCRs.
    Pcr {
        /// On this PID; the first programme's if none is named.
        pid: Option<u16>,
    },
}

/// Shared by all streams of a process.
#[derive(Debug)]
pub struct Library {
    cache_dir: Option<PathBuf>,
    shelf: Mutex<HashMap<Key, Arc<Mutex<Making>>>>,
}

impl Library {
    /// With indexes kept in `cache_dir` (see [`super::index::cache_dir`]), if
    /// they are to be kept.
    pub fn new(cache_dir: Option<PathBuf>) -> Self {
        Self { cache_dir, shelf: Mutex::default() }
    }

    /// The packets that `plan` cuts `file` into, with their `sums` if they are
    /// needed, and the clock. Reads nothing of `file`.
    pub fn source(
        &self,
        file: File,
        path: PathBuf,
        media: &Media,
        plan: Plan,
        sums: bool,
        clock: ClockWish,
    ) -> Source {
        let (timing, pid) = match clock {
            ClockWish::None => (Timing::None, None),
            ClockWish::Even(clock) => (Timing::Even(clock), None),
            ClockWish::Pcr { pid } => (Timing::Pcr, pid),
        };
        let key = Key {
            identity: media.identity,
            from: plan.octet(0),
            to: plan.octet(u64::MAX),
            payload: plan.payload(),
            pid,
        };
        let scan = timing == Timing::Pcr;
        let shared = (sums || scan).then(|| {
            let making = if media.converted { unshared(key, plan) } else { self.shared(key, plan) };
            making.lock().unwrap_or_else(PoisonError::into_inner).want(sums, scan);
            making
        });
        Source::new(file, path, key.identity, plan.payload(), timing, sums, shared)
    }

    fn shared(&self, key: Key, plan: Plan) -> Arc<Mutex<Making>> {
        let mut all = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let making = all.entry(key).or_insert_with(|| {
            let now = SystemTime::now();
            Arc::new(Mutex::new(Making::new(key, plan, self.load(key), now)))
        });
        Arc::clone(making)
    }

    fn load(&self, key: Key) -> Option<Index> {
        let directory = self.cache_dir.as_ref()?;
        Index::load(directory, key).unwrap_or_else(|error| {
            tracing::info!("{error}");
            None
        })
    }

    /// Keeps the indexes that have become whole since. A cache that cannot be
    /// written costs the next start, not this one.
    pub fn keep(&self) {
        let Some(directory) = &self.cache_dir else { return };
        let all = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        for making in all.values() {
            let fresh = making.lock().unwrap_or_else(PoisonError::into_inner).take_fresh();
            match fresh.map(|index| index.store(directory)) {
                None | Some(Ok(())) => {}
                // The file was written a moment ago: the next play knows more.
                Some(Err(error @ IndexError::Unsettled { .. })) => tracing::debug!("{error}"),
                Some(Err(error)) => tracing::warn!("{error}"),
            }
        }
    }
}

/// Of a copy that no other stream has and nobody finds again: known for this
/// play only.
fn unshared(key: Key, plan: Plan) -> Arc<Mutex<Making>> {
    Arc::new(Mutex::new(Making::new(key, plan, None, SystemTime::now())))
}
