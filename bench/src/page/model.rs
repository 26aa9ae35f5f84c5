//! What `paths.json` says. Nothing in it is derived: figures are made in [`super::figures`].

use crate::{
    paths::copies::Profile,
    rows::{Notices, Place},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run.
#[derive(Debug, Deserialize)]
pub struct Results {
    /// RFC 3339.
    pub date: String,
    /// Whether it was the short run.
    #[serde(default)]
    pub quick: bool,
    /// Where.
    pub machine: Machine,
    /// Size of the file, million octets.
    pub megabytes: u64,
    /// Samples of each row in each series.
    pub rounds: u32,
    /// What was compared.
    pub rows: Vec<Row>,
    /// What was measured of them.
    pub series: Vec<Series>,
    /// What a copy and a call cost by themselves.
    #[serde(default)]
    pub curves: Curves,
    /// The run before this one, on the same machine and kernel.
    #[serde(default)]
    pub before: Option<Box<Results>>,
}

/// A machine and its kernel.
#[derive(Debug, Deserialize, Serialize)]
pub struct Machine {
    /// `uname -r`.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// Processors that are online.
    pub cores: u32,
    /// Octets of memory.
    pub memory_bytes: u64,
    /// `/sys/devices/system/cpu/vulnerabilities`.
    #[serde(default)]
    pub mitigations: BTreeMap<String, String>,
    /// krtp's version.
    pub krtp: String,
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The paper's content download, no header.
    Download,
    /// RTP by the system calls that there were.
    Existing,
    /// RTP by calls that the authors added.
    Enhanced,
    /// What one would use today.
    Today,
}

/// One way of sending.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// Its name in the paper, or ours.
    pub key: String,
    /// What it stands for.
    pub group: Group,
    /// Whether the authors had to add the call.
    pub added: bool,
    /// System calls for n packets, as a formula.
    pub calls: String,
    /// What it does.
    pub does: String,
    /// What that costs, and why.
    pub cost: String,
    /// What is not as in the paper.
    #[serde(default)]
    pub differs: Option<String>,
    /// Whether the checking receiver had the right octets.
    pub delivers: bool,
    /// Why not.
    #[serde(default)]
    pub why_not: Option<String>,
    /// System calls as the kernel counted them.
    #[serde(default)]
    pub counted: Option<Counted>,
    /// Where it says that each payload is copied.
    #[serde(default)]
    pub copies: Vec<Place>,
    /// What was seen of that.
    #[serde(default)]
    pub copied: Option<Copied>,
}

/// System calls of a row.
#[derive(Debug, Deserialize)]
pub struct Counted {
    /// All of them.
    pub per_packet: f64,
    /// By name, for each packet.
    #[serde(default)]
    pub by_call: BTreeMap<String, f64>,
    /// Of so many packets.
    pub packets: u32,
    /// By what they were counted.
    pub how: String,
}

/// What was seen of a row's copies.
#[derive(Debug, Deserialize)]
pub struct Copied {
    /// Size by size.
    #[serde(default)]
    pub profiles: Vec<Profile>,
}

/// Rows under one condition.
#[derive(Debug, Deserialize)]
pub struct Series {
    /// `sizes`, `offload`, `veth` or `cold`.
    pub name: String,
    /// Where packets went.
    pub device: String,
    /// Whether the file was in the page cache: `warm` or `cold`.
    pub cache: String,
    /// Octets of a payload.
    pub payload: u32,
    /// Of each row, one for each round.
    pub samples: BTreeMap<String, Vec<Sample>>,
    /// What the kernel said of sends that were to go without a copy.
    #[serde(default)]
    pub notices: BTreeMap<String, Notices>,
    /// Rows that cannot do this, and why.
    #[serde(default)]
    pub left_out: BTreeMap<String, String>,
}

/// Nanoseconds for each packet.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sample {
    /// In user space.
    pub user_ns: f64,
    /// In the kernel.
    pub system_ns: f64,
}

/// Of the machine itself.
#[derive(Debug, Default, Deserialize)]
pub struct Curves {
    /// Copying so many octets.
    #[serde(default)]
    pub memcpy: Vec<Copying>,
    /// A system call that does nothing.
    #[serde(default)]
    pub null_call: NullCall,
}

/// A copy of one size.
#[derive(Debug, Deserialize)]
pub struct Copying {
    /// How many are copied.
    pub octets: f64,
    /// How long that takes, nanoseconds, from memory that no cache holds.
    pub ns: Vec<f64>,
    /// And from memory that was just copied.
    #[serde(default)]
    pub warm_ns: Vec<f64>,
}

/// A system call that does nothing.
#[derive(Debug, Default, Deserialize)]
pub struct NullCall {
    /// How long it takes, nanoseconds.
    #[serde(default)]
    pub ns: Vec<f64>,
}
