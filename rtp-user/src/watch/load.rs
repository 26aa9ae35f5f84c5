//! The program of `krtp watch`: loaded, its maps opened, attached.

use super::maps::{Maps, settings};
use crate::{
    kernel::{
        guard::Guard,
        hang::{AttachError, Hook, Hung, hang_program},
        maps::MapError,
        object::{LoadError, is_errno},
        undo::Undo,
    },
    net::netlink::Link,
    watch::Options,
};
use aya::{
    Ebpf, EbpfLoader,
    programs::{
        ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        links::{FdLink, LinkError},
        tc::SchedClassifierLink,
    },
};
use clap::ValueEnum;
use rtp_common::watch::stats::Stream;

/// Name of the program for XDP.
pub const XDP: &str = "krtp_watch";
/// Name of the program for the TC ingress.
pub const INGRESS: &str = "krtp_watch_tc";

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../object/krtp-watch.bpf.o");

/// Where the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The first of the others that works; on a loopback `tc`
    #[default]
    Auto,
    /// XDP in the driver
    Native,
    /// XDP in the kernel, before its network stack
    Generic,
    /// The TC ingress
    Tc,
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The object does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its maps do not fit.
    #[error("no memory for {0} streams ({each} KiB each): give a smaller --streams", each = size_of::<Stream>().div_ceil(1024))]
    Memory(u32),
    /// The interface does not take it.
    #[error("{interface} does not take the program ({why}){remedy}")]
    Attach {
        /// The interface.
        interface: String,
        /// The kernel's answers, mode by mode.
        why: String,
        /// What may help.
        remedy: &'static str,
    },
}

impl From<MapError> for WatchError {
    fn from(error: MapError) -> Self {
        Self::Load(error.into())
    }
}

/// The loaded program.
#[derive(Debug)]
pub struct Program {
    /// aya's view.
    pub ebpf: Ebpf,
    /// The maps.
    pub maps: Maps,
}

impl Program {
    /// Loads what `options` ask for, for an interface with this `mtu`.
    pub fn load(options: &Options, mtu: u32) -> Result<Self, WatchError> {
        let settings = settings(options, mtu);
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("STREAMS", options.streams)
            .map_max_entries("PLACES", options.streams)
            .load(OBJECT)
            .map_err(|error| {
                let full = [libc::ENOMEM, libc::E2BIG].iter().any(|errno| is_errno(&error, *errno));
                if full { WatchError::Memory(options.streams) } else { LoadError::of_object(error).into() }
            })?;
        let maps = Maps::open(&mut ebpf, &settings)?;
        Ok(Self { ebpf, maps })
    }

    /// The program for XDP, loaded into the kernel.
    pub fn xdp(&mut self) -> Result<&mut Xdp, LoadError> {
        let program = self.ebpf.program_mut(XDP).and_then(|program| <&mut Xdp>::try_from(program).ok());
        let program = program.ok_or(LoadError::Missing(XDP))?;
        if program.fd().is_err() {
            program.load().map_err(|source| LoadError::of_program(XDP, source))?;
        }
        Ok(program)
    }

    /// The program for the TC ingress, likewise.
    pub fn ingress(&mut self) -> Result<&mut SchedClassifier, LoadError> {
        let program = self.ebpf.program_mut(INGRESS);
        let program = program.and_then(|program| <&mut SchedClassifier>::try_from(program).ok());
        let program = program.ok_or(LoadError::Missing(INGRESS))?;
        if program.fd().is_err() {
            program.load().map_err(|source| LoadError::of_program(INGRESS, source))?;
        }
        Ok(program)
    }
}

/// The program on its interface, until this is dropped.
#[derive(Debug)]
pub struct Attached {
    /// Where it runs.
    pub place: &'static str,
    /// Why not elsewhere, where something else was tried.
    pub instead: Option<String>,
    // Fields drop in this order: the guardian takes away what the kernel would
    // keep, then the link goes.
    _guard: Option<Guard>,
    _link: Held,
}

/// What holds the program there. Both go with the process, however it ends.
#[derive(Debug)]
enum Held {
    Xdp { _link: FdLink },
    Tc { _link: SchedClassifierLink },
}

impl Attached {
    /// Attaches `program` to `link`.
    pub fn to(program: &mut Program, link: &Link, mode: Mode) -> Result<Self, WatchError> {
        // Batches reach a loopback whole. Where XDP runs nothing tells how they are to be cut.
        let modes: &[Mode] = match mode {
            Mode::Auto if link.loopback => &[Mode::Tc],
            Mode::Auto => &[Mode::Native, Mode::Generic, Mode::Tc],
            Mode::Native => &[Mode::Native],
            Mode::Generic => &[Mode::Generic],
            Mode::Tc => &[Mode::Tc],
        };
        let mut refused: Vec<String> = Vec::new();
        for mode in modes {
            match attach(program, link, *mode) {
                Ok((link, guard)) => {
                    let instead = (!refused.is_empty()).then(|| refused.join("; "));
                    return Ok(Self { place: mode.place(), instead, _guard: guard, _link: link });
                }
                Err(Refusal::Load(error)) => return Err(error.into()),
                Err(Refusal::Kernel(why)) => refused.push(format!("{}: {why}", mode.place())),
            }
        }
        let remedy = if mode == Mode::Auto { "" } else { ": leave --mode out to use what works" };
        Err(WatchError::Attach { interface: link.name.clone(), why: refused.join("; "), remedy })
    }
}

impl Mode {
    /// Its name in a sentence.
    fn place(self) -> &'static str {
        match self {
            Self::Auto => "any mode",
            Self::Native => "native XDP",
            Self::Generic => "generic XDP",
            Self::Tc => Hook::of_this_kernel().ingress(),
        }
    }
}

/// Why one mode does not work.
enum Refusal {
    /// No other will.
    Load(LoadError),
    /// Another may.
    Kernel(String),
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

fn attach(program: &mut Program, link: &Link, mode: Mode) -> Result<(Held, Option<Guard>), Refusal> {
    match mode {
        Mode::Tc => attach_tc(program.ingress()?, link),
        Mode::Native => attach_xdp(program.xdp()?, link, XdpMode::Driver),
        Mode::Generic | Mode::Auto => attach_xdp(program.xdp()?, link, XdpMode::Skb),
    }
}

fn attach_xdp(program: &mut Xdp, link: &Link, mode: XdpMode) -> Result<(Held, Option<Guard>), Refusal> {
    let attached = program.attach_to_if_index(link.index, mode).and_then(|id| program.take_link(id));
    let attached = attached.map_err(|error| Refusal::Kernel(answer(&error)))?;
    // aya may take a way that outlives the process; only a BPF link will do.
    let link = FdLink::try_from(attached).map_err(|error: LinkError| Refusal::Kernel(error.to_string()))?;
    Ok((Held::Xdp { _link: link }, None))
}

fn attach_tc(program: &mut SchedClassifier, link: &Link) -> Result<(Held, Option<Guard>), Refusal> {
    let refused = |error: AttachError| Refusal::Kernel(error.to_string());
    let Hung { link: hung, undo, .. } =
        hang_program(program, link, TcAttachType::Ingress, Undo::default()).map_err(refused)?;
    let guard = if undo.is_empty() {
        None
    } else {
        let source = |source| AttachError::Guard { interface: link.name.clone(), source };
        Some(Guard::start(&undo).map_err(source).map_err(refused)?)
    };
    Ok((Held::Tc { _link: hung }, guard))
}

/// The kernel's answer, without the names of calls around it.
fn answer(error: &ProgramError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
