//! Under what rows are compared.

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// An `ifb` that takes one packet at a time.
    Plain,
    /// One that takes what UDP GSO makes.
    Offload,
    /// A veth pair, to a socket that is full.
    Veth,
}

impl Device {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Plain => "ifb without segmentation offload",
            Self::Offload => "ifb with segmentation offload",
            Self::Veth => "veth",
        }
    }
}

/// A condition under which rows are compared.
#[derive(Clone, Debug)]
pub struct Condition {
    /// `sizes`, `offload`, `veth` or `cold`.
    pub name: &'static str,
    pub device: Device,
    /// Whether the file is taken out of the page cache before each sample.
    pub cold: bool,
    /// Octets of a payload.
    pub payload: usize,
    /// Of one sample.
    pub packets: usize,
    pub rounds: usize,
}
