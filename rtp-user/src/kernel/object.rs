//! The eBPF object: embedded, loaded, its maps opened.

use super::maps::{Flows, MapError, Notes, Sockets};
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::ProgramArray,
    programs::{ProgramError, SchedClassifier},
};

/// Name of the program that is attached.
pub const EGRESS: &str = "krtp_egress";
/// Name of the program that it calls for what is ours.
const FLOW: &str = "krtp_flow";
/// The map through which it does.
pub(super) const PROGRAMS: &str = "PROGRAMS";
/// Name of the program for `BPF_PROG_TEST_RUN`.
pub const BY_SLOT: &str = "krtp_by_slot";

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../object/krtp.bpf.o");

/// Why the object could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `bpf(2)` is not for us.
    #[error("loading the BPF program is not permitted: run as root or with CAP_BPF and CAP_NET_ADMIN")]
    Privilege,
    /// The kernel has no BPF, or lacks something the program needs.
    #[error("this kernel does not take the BPF object: {0}; Linux 6.1 or newer is needed")]
    Kernel(#[source] EbpfError),
    /// The verifier said no; its log follows.
    #[error("the verifier refused the program {name}: {source}")]
    Verifier {
        /// The program.
        name: &'static str,
        /// With the verifier's log.
        source: ProgramError,
    },
    /// The object is not the one this binary was built for.
    #[error("the BPF object has no {0}")]
    Missing(&'static str),
    /// A map could not be opened or mapped.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl LoadError {
    /// What the kernel said to an object.
    pub fn of_object(error: EbpfError) -> Self {
        if is_errno(&error, libc::EPERM) { Self::Privilege } else { Self::Kernel(error) }
    }

    /// What it said to the program `name`.
    pub fn of_program(name: &'static str, source: ProgramError) -> Self {
        match &source {
            ProgramError::LoadError { io_error, .. } if io_error.raw_os_error() == Some(libc::EPERM) => {
                Self::Privilege
            }
            _ => Self::Verifier { name, source },
        }
    }
}

/// The loaded object: its programs, and its maps as shared memory.
#[derive(Debug)]
pub struct Object {
    /// aya's view, for attaching and logging.
    pub ebpf: Ebpf,
    /// The maps a flow needs.
    pub maps: Maps,
}

/// The maps that user space works on.
#[derive(Debug)]
pub struct Maps {
    /// The flows' states.
    pub flows: Flows,
    /// What is noted of packets.
    pub notes: Notes,
    /// Socket to slot.
    pub sockets: Sockets,
}

impl Object {
    /// Loads the object with room for `flows` flows.
    pub fn load(flows: u32) -> Result<Self, LoadError> {
        Self::load_from(OBJECT, flows)
    }

    /// The same for flows of prepared files alone, of whose packets nothing is noted.
    pub fn load_for_prepared(flows: u32) -> Result<Self, LoadError> {
        Self::load_with(OBJECT, flows, 1)
    }

    /// Loads another build of it, to be compared with the one that is embedded.
    pub fn load_from(object: &[u8], flows: u32) -> Result<Self, LoadError> {
        Self::load_with(object, flows, flows)
    }

    fn load_with(object: &[u8], flows: u32, rings: u32) -> Result<Self, LoadError> {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("FLOWS", flows)
            .map_max_entries("NOTES", rings)
            .load(object)
            .map_err(LoadError::of_object)?;
        verify(&mut ebpf, EGRESS)?;
        verify(&mut ebpf, FLOW)?;
        place(&mut ebpf)?;
        let mut take = |name| ebpf.take_map(name).ok_or(LoadError::Missing(name));
        let maps = Maps {
            flows: Flows::open(take("FLOWS")?)?,
            notes: Notes::open(take("NOTES")?)?,
            sockets: Sockets::open(take("SOCKETS")?)?,
        };
        Ok(Self { ebpf, maps })
    }

    /// The program `name`, loaded: [`EGRESS`] is from the start, any other when
    /// it is asked for.
    pub fn program(&mut self, name: &'static str) -> Result<&mut SchedClassifier, LoadError> {
        if program(&mut self.ebpf, name)?.fd().is_err() {
            verify(&mut self.ebpf, name)?;
        }
        program(&mut self.ebpf, name)
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut SchedClassifier, LoadError> {
    let program = ebpf.program_mut(name).ok_or(LoadError::Missing(name))?;
    program.try_into().map_err(|_| LoadError::Missing(name))
}

/// Puts the program for flows where the attached one calls it. The map stays
/// with `ebpf`: the kernel empties it when its last user goes.
fn place(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let kind = |error| LoadError::Map(MapError::Kind(error));
    let refused = |source| LoadError::Verifier { name: FLOW, source };
    let flow = program(ebpf, FLOW)?.fd().map_err(refused)?.try_clone();
    let flow = flow.map_err(|error| refused(ProgramError::IOError(error)))?;
    let map = ebpf.map_mut(PROGRAMS).ok_or(LoadError::Missing(PROGRAMS))?;
    ProgramArray::try_from(map).and_then(|mut programs| programs.set(0, &flow, 0)).map_err(kind)
}

/// Has the kernel verify and load a program.
fn verify(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    program(ebpf, name)?.load().map_err(|source| LoadError::of_program(name, source))
}

/// Whether the kernel's answer, somewhere down the chain, was `errno`.
pub fn is_errno(error: &EbpfError, errno: i32) -> bool {
    let mut error: Option<&dyn std::error::Error> = Some(error);
    while let Some(this) = error {
        if let Some(io) = this.downcast_ref::<std::io::Error>()
            && io.raw_os_error() == Some(errno)
        {
            return true;
        }
        error = this.source();
    }
    false
}
