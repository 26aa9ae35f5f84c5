//! What the set-up of a stream found, for its report and for its receivers.

use super::Options;
use crate::{engine::Setting, media::Media, sdp};
use anyhow::{Context, Result};
use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

/// What is said of a stream.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// "kernel", "user" or "prepared".
    pub engine: &'static str,
    /// What that engine uses, or why it is not the other.
    pub path: String,
    /// How packets are paced, in a few words.
    pub pacing: String,
    pub flows: Vec<FlowFacts>,
}

/// What is said of a flow.
#[derive(Clone, Debug)]
pub(super) struct FlowFacts {
    pub destination: SocketAddr,
    pub source: SocketAddr,
    pub interface: String,
    pub setting: Setting,
    pub timestamp: u32,
}

impl Facts {
    /// The session description of all flows.
    pub fn describe(&self, media: &Media, options: &Options) -> Result<String> {
        // An NTP timestamp in seconds makes a session id (RFC 8866 §5.2).
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 2_208_988_800;
        let flows = self.flows.iter().map(|flow| sdp::Flow {
            destination: flow.destination,
            ttl: options.ttl,
            source: Some(flow.source.ip()),
            payload_type: media.payload_type,
            clock_rate: media.clock_rate,
            encoding: media.encoding,
            ptime: media.ptime(),
            ssrc: flow.setting.ssrc,
            cname: None,
        });
        let name = options.files.first().and_then(|file| file.file_name());
        let description = sdp::Description {
            session: now,
            version: now,
            origin: self.flows.first().context("a stream has a destination")?.source.ip(),
            name: name.map_or_else(|| "krtp".into(), |name| name.to_string_lossy().into_owned()),
            flows: flows.collect(),
        };
        Ok(sdp::describe(&description)?)
    }
}
