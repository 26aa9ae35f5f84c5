//! Why a media file cannot be played: one line each, with the file and the remedy.

use super::{
    format::{BadSound, Format, milliseconds},
    plan::PlanError,
    shown::{Quoted, Shown},
};
use std::{
    fmt::{self, Display, Formatter},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why a media file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Nothing by that name.
    #[error("{}: no such file; check the name", Shown(.path))]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Not ours to read.
    #[error("{}: permission denied; make it and its directories readable for this user", Shown(.path))]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// A directory.
    #[error("{} is a directory; name a file in it", Shown(.path))]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Neither file nor directory.
    #[error("{} is a {kind}; copy what it holds to a regular file and name that", Shown(.path))]
    NotRegular {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Reading failed.
    #[error("{} cannot be read: {source}; check the disk or the mount", Shown(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No octet in it.
    #[error("{} is empty; name a file with content", Shown(.path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No transport stream of 188-octet packets, and nothing said what else.
    #[error("{} is not an MPEG transport stream of 188-octet packets: {why}; {}", Shown(.path), why.remedy(path))]
    NotTs {
        /// The file.
        path: PathBuf,
        /// How that shows.
        why: NotTs,
    },
    /// A transport stream that ends within a packet.
    #[error(
        "{} is a truncated MPEG transport stream: it ends with {excess} octets of an unfinished packet; \
         drop them with `truncate -s {whole} {}`",
        Shown(.path), Quoted(.path)
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Octets after the last whole packet, 1 to 187.
        excess: u64,
        /// Octets up to there.
        whole: u64,
    },
    /// A payload type that RTP has no room for.
    #[error("--pt {0} is out of range; a payload type is 0 to 127")]
    PayloadType(u8),
    /// A clock that stands still.
    #[error("--clock-rate 0 is out of range; give the RTP timestamp's ticks per second, such as 90000")]
    ClockRate,
    /// Transport packets would be cut.
    #[error(
        "--payload {payload} would cut the transport packets of {}; give a multiple of 188, such as {suggestion}",
        Shown(.path)
    )]
    CutsPackets {
        /// The file.
        path: PathBuf,
        /// Octets asked for.
        payload: u32,
        /// The next better number.
        suggestion: u32,
    },
    /// Nothing to time by where the user said it would be.
    #[error(
        "--pcr-pid {pid}: the packets of {} on that PID carry no PCR; those on {} do",
        Shown(.path), Listed(.pids)
    )]
    NoPcrOnPid {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        pid: u16,
        /// PIDs with PCRs, at least one.
        pids: Vec<u16>,
    },
    /// Audio that cannot be sent.
    #[error("{}: {why}; {}", Shown(.path), why.remedy(path))]
    Sound {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: BadSound,
    },
    /// Another clock than the audio's.
    #[error(
        "--clock-rate {asked} is not the rate of {}: RTP counts its {rate} samples a second; leave the option out",
        Shown(.path)
    )]
    SoundRate {
        /// The file.
        path: PathBuf,
        /// What was asked for, Hz.
        asked: u32,
        /// What it has, Hz.
        rate: u32,
    },
    /// A bit rate for what counts samples.
    #[error(
        "--pace {bits} is not for audio, and {} is: it goes by its own {rate} samples a second; \
         leave --pace out, or give --pace none",
        Shown(.path)
    )]
    SoundPace {
        /// The file.
        path: PathBuf,
        /// What was asked for, bits per second.
        bits: u64,
        /// What it has, Hz.
        rate: u32,
    },
    /// A payload type of something else.
    #[error(
        "--pt {payload_type} does not stand for {}, which is {}/{}/{}: leave the option out, or give one from 96 to 127",
        Shown(.path), .format.coding.name(), .format.rate, .format.channels
    )]
    SoundType {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        payload_type: u8,
        /// What it is.
        format: Format,
    },
    /// Samples would be cut.
    #[error(
        "--payload {payload} would cut the samples of {}; give a multiple of {frame}, such as {suggestion}",
        Shown(.path)
    )]
    CutsFrames {
        /// The file.
        path: PathBuf,
        /// Octets asked for.
        payload: u32,
        /// Octets of a sample of every channel.
        frame: u32,
        /// The nearest number that can be had.
        suggestion: u32,
    },
    /// A packet that would be too small.
    #[error("--ptime {} makes packets too small; give {} or more", milliseconds(*asked), milliseconds(*least))]
    PtimeShort {
        /// What was asked for.
        asked: Duration,
        /// The shortest that can be had.
        least: Duration,
    },
    /// A packet that would be too large.
    #[error("--ptime {} makes packets too large; give {} or less", milliseconds(*asked), milliseconds(*most))]
    PtimeLong {
        /// What was asked for.
        asked: Duration,
        /// The longest that can be had.
        most: Duration,
    },
    /// A packet time for what is not known to be audio.
    #[error(
        "--ptime is for audio, and {} is not known to be any (WAV, AU, .ulaw, .alaw, or --pt 0, 8, 10 or 11); \
         give --payload",
        Shown(.path)
    )]
    NotSound {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be cut into packets.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl MediaError {
    /// The error for what the system said when `path` was looked at.
    pub(super) fn system(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            _ => Self::Read { path, source },
        }
    }
}

/// How it shows that a file is no transport stream of 188-octet packets.
/// Octets are counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTs {
    /// Shorter than one packet.
    Short,
    /// A packet does not begin with the sync octet.
    NoSync {
        /// Where it should be.
        octet: u64,
    },
    /// Packets with a time stamp before each, as Blu-ray and AVCHD have them.
    M2ts,
    /// Packets with parity after each, as some DVB receivers write them.
    Parity,
    /// Something else stands before the first packet.
    Late {
        /// Where the first packet begins.
        octet: u64,
    },
}

impl NotTs {
    /// What the user can do about it.
    fn remedy(self, path: &Path) -> String {
        let path = Quoted(path);
        match self {
            Self::Short | Self::NoSync { .. } => {
                "to send it as it is, say what it is with --pt, --clock-rate and --payload".into()
            }
            Self::M2ts | Self::Parity => format!("convert it with `ffmpeg -i {path} -map 0 -c copy NEW.ts`"),
            Self::Late { octet } => {
                format!("drop what is before with `tail -c +{} {path} > NEW.ts`", octet + 1)
            }
        }
    }
}

impl Display for NotTs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it is shorter than one packet"),
            Self::NoSync { octet } => write!(f, "octet {octet} is not the sync octet 0x47"),
            Self::M2ts => f.write_str("it looks like M2TS, packets of 192 octets"),
            Self::Parity => f.write_str("it looks like packets of 204 octets, with Reed-Solomon parity"),
            Self::Late { octet } => write!(f, "its packets begin at octet {octet}"),
        }
    }
}

/// Numbers in a sentence.
struct Listed<'a>(&'a [u16]);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, number) in self.0.iter().enumerate() {
            let before = match place {
                0 => "",
                place if place + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{number}")?;
        }
        Ok(())
    }
}
