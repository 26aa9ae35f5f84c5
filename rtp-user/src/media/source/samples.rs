//! Audio in another order than RTP's: the source becomes a copy in that order.

use super::{Source, SourceError};
use crate::{
    media::{
        Samples,
        convert::{self, ConvertError},
        identity::Identity,
        index::user_cache_dir,
    },
    stop::GoOn,
};
use std::sync::Arc;

impl Source {
    /// The same of a copy of these samples, if there are some, once it is made.
    pub(crate) fn of_samples(self, samples: Option<Samples>) -> Self {
        Self { samples, ..self }
    }

    /// Makes the copy from which audio in another order than RTP's is sent; what becomes of the
    /// file does not matter any more then. All other sources are ready. `go_on` is told octets
    /// done and octets in all; what was given up is begun anew by whoever asks for an octet.
    pub fn make_ready(&mut self, go_on: &mut GoOn<'_>) -> Result<(), SourceError> {
        let Some(samples) = &self.samples else { return Ok(()) };
        let octets = samples.octets.end - samples.octets.start;
        let copy = convert::to_network_order(&self.file, samples, user_cache_dir().as_deref(), go_on);
        let copy = copy.map_err(|error| match error {
            ConvertError::Read(source) => self.read_error(source),
            ConvertError::Write(source) => SourceError::NoCopy { path: self.path.clone(), octets, source },
        })?;
        let copy = copy.ok_or_else(|| SourceError::Stopped { path: self.path.clone() })?;
        self.identity = Identity::of(&copy).map_err(|source| self.read_error(source))?;
        (self.file, self.samples) = (Arc::new(copy), None);
        Ok(())
    }
}
