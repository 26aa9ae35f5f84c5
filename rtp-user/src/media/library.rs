//! What a process knows of the files it plays: every file is read ahead once,
//! however many flows play it, and what was read is kept for the next start.

use super::{
    Media,
    bound::Bound,
    clock::Clock,
    index::{Index, IndexError, Key, user_cache_dir},
    making::Making,
    pcr::HERTZ,
    plan::Plan,
    prepared::Copy,
    source::{Source, SourceError, Timing, ahead::Reader},
};
use crate::pace::Pace;
use bytesize::ByteSize;
use std::{
    collections::HashMap,
    env,
    fs::File,
    io,
    path::{Path, PathBuf},
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
        /// Whether PCRs that give no rate are an error. If not, there is no clock then.
        needed: bool,
    },
}

impl ClockWish {
    /// The clock of the file at `path`: what the pace says, or else what the file says.
    pub fn of(pace: Pace, path: &Path, media: &Media) -> Result<Self, SourceError> {
        if let Pace::Bits(bits) = pace {
            let octets = media.octets.end - media.octets.start;
            let ticks = u128::from(octets) * 8 * u128::from(HERTZ) / u128::from(bits);
            let ticks = u64::try_from(ticks).ok().filter(|&ticks| ticks > 0);
            let even = |ticks| Clock::even(HERTZ as u32, media.octets.start, media.octets.end, ticks);
            let clock = ticks.and_then(even);
            return clock.map(Self::Even).ok_or_else(|| SourceError::NoRate { bits, path: path.into() });
        }
        if let Some(clock) = &media.clock {
            return Ok(Self::Even(clock.clone()));
        }
        // Which PID it is and whether its PCRs give a rate is for the scan to find, so that all who
        // have the same wish have the same index.
        match (media.has_pcrs, pace) {
            (true, _) => Ok(Self::Pcr { pid: media.pcr_pid, needed: pace != Pace::None }),
            (false, Pace::None) => Ok(Self::None),
            (false, _) => Err(SourceError::NoClock { path: path.into() }),
        }
    }
}

/// Where indexes are kept, and how many.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
    bound: Arc<Bound>,
}

/// Names the limit of a user's cache.
const LIMIT_VARIABLE: &str = "KRTP_INDEX_LIMIT";
/// What it is without a wish: 1 GiB holds the indexes of about 600 GB of media.
const LIMIT: u64 = 1 << 30;

/// The environment asks for a limit that is none.
#[derive(Debug, thiserror::Error)]
#[error("{LIMIT_VARIABLE}={text} is no size: give octets or a unit, such as 500000, 64M or 1.5GiB")]
pub struct LimitError {
    text: String,
}

impl Cache {
    /// In `directory`, all of them no more than `limit` octets.
    pub fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, bound: Arc::new(Bound::new(limit)) }
    }

    /// The user's (see [`super::index::user_cache_dir`]), if there can be one, with the environment's limit.
    pub fn of_user() -> Result<Option<Self>, LimitError> {
        let limit = match env::var_os(LIMIT_VARIABLE) {
            None => LIMIT,
            Some(text) => {
                let text = text.to_string_lossy();
                text.parse::<ByteSize>().map_err(|_| LimitError { text: text.into() })?.0
            }
        };
        Ok(user_cache_dir().map(|directory| Self::new(directory, limit)))
    }
}

/// Shared by all streams of a process.
#[derive(Debug)]
pub struct Library {
    cache: Option<Cache>,
    reader: Reader,
    shelf: Mutex<HashMap<Key, Arc<Mutex<Making>>>>,
}

impl Library {
    /// With indexes kept in `cache`, if they are to be kept.
    pub fn new(cache: Option<Cache>) -> Self {
        Self { cache, reader: Reader::start(), shelf: Mutex::default() }
    }

    /// The same, but nothing is read ahead of the streams: to measure what that gains.
    pub fn without_reading_ahead(cache: Option<Cache>) -> Self {
        Self { cache, reader: Reader::none(), shelf: Mutex::default() }
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
            ClockWish::Even(clock) => (Timing::Even(Arc::new(clock)), None),
            ClockWish::Pcr { pid, needed } => (Timing::Pcr { needed }, pid),
        };
        let key = Key {
            identity: media.identity,
            from: plan.octet(0),
            to: plan.octet(u64::MAX),
            payload: plan.payload(),
            pid,
        };
        let scan = matches!(timing, Timing::Pcr { .. });
        let shared = (sums || scan).then(|| {
            let making = if media.samples.is_some() { unshared(key, plan) } else { self.shared(key, plan) };
            making.lock().unwrap_or_else(PoisonError::into_inner).want(sums, scan);
            making
        });
        let source = Source::new(file, path, &key, self.reader.clone(), timing, sums, shared);
        source.of_samples(media.samples.clone())
    }

    /// The prepared file `copy`.
    pub fn copy(&self, copy: &Arc<Copy>) -> io::Result<Source> {
        Source::of_copy(copy, self.reader.clone())
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
        let cache = self.cache.as_ref()?;
        Index::load(&cache.directory, key).unwrap_or_else(|error| {
            tracing::info!("{error}");
            None
        })
    }

    /// Keeps the indexes that have become whole since. A cache that cannot be
    /// written costs the next start, not this one.
    pub fn keep(&self) {
        for error in self.try_keep() {
            // The file was written a moment ago: the next play knows more.
            if let IndexError::Unsettled { .. } = error {
                tracing::debug!("{error}");
            } else {
                tracing::warn!("{error}");
            }
        }
    }

    /// The same for who has no play to go on with: what could not be kept, and why.
    pub fn try_keep(&self) -> Vec<IndexError> {
        let Some(cache) = &self.cache else { return Vec::new() };
        let all = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let store = |making: &Arc<Mutex<Making>>| {
            let fresh = making.lock().unwrap_or_else(PoisonError::into_inner).take_fresh();
            fresh.and_then(|index| index.store(&cache.directory, &cache.bound).err())
        };
        all.values().filter_map(store).collect()
    }
}

/// Of a copy that no other stream has and nobody finds again: known for this
/// play only.
fn unshared(key: Key, plan: Plan) -> Arc<Mutex<Making>> {
    Arc::new(Mutex::new(Making::new(key, plan, None, SystemTime::now())))
}
