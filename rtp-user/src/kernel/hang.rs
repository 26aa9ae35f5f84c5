//! How a program hangs on an interface, in front of all others.

use super::{
    object::{EGRESS, LoadError, Object},
    pin_error::PinError,
    qdisc::QdiscError,
    segmenter::Filter,
    undo::{Undo, WITH_CLSACT, is_clsact_ours},
};
use crate::net::netlink::{Link, NetlinkError};
use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_add_clsact},
    },
    util::KernelVersion,
};
use std::io;

/// tcx came with Linux 6.6 (commit e420bed02507).
const TCX: KernelVersion = KernelVersion::new(6, 6, 0);

/// Why the program is not on the interface.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The object does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It loads, but the interface does not take it.
    #[error("cannot attach to the {direction} of {interface}: {source}")]
    Attach {
        /// The interface.
        interface: String,
        /// `ingress` or `egress`.
        direction: &'static str,
        /// The kernel's answer.
        source: ProgramError,
    },
    /// No clsact qdisc (kernels before 6.6).
    #[error("cannot add a clsact qdisc to {interface}: {source}")]
    Clsact {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: TcError,
    },
    /// Its filters cannot be listed (kernels before 6.6).
    #[error("cannot list the filters of {interface}: {source}")]
    Filters {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No guardian.
    #[error("cannot start the guardian that cleans up {interface}: {source}")]
    Guard {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// rtnetlink said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The pinned maps cannot be used.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// No fq where one was asked for.
    #[error(transparent)]
    Qdisc(#[from] QdiscError),
}

/// How the program hangs on the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tcx link, which goes with its last holder.
    Tcx,
    /// A filter of the clsact qdisc.
    Clsact,
}

impl Hook {
    /// What this kernel has.
    pub fn of_this_kernel() -> Self {
        if KernelVersion::current().is_ok_and(|version| version >= TCX) { Self::Tcx } else { Self::Clsact }
    }

    /// Its name, as bpftool and tc spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }

    /// What it is called where packets come in.
    pub fn ingress(self) -> &'static str {
        match self {
            Self::Tcx => "TC ingress (tcx)",
            Self::Clsact => "TC ingress (clsact)",
        }
    }
}

/// What [`hang`] made.
pub struct Hung {
    /// Detaches on drop.
    pub link: SchedClassifierLink,
    /// How to take away what the kernel would keep.
    pub undo: Undo,
    /// Whether the interface's clsact qdisc is krtp's making.
    pub made_clsact: bool,
    /// The filter, on a kernel without tcx.
    pub filter: Option<Filter>,
}

/// Attaches the program in front of all others, so that they see packets with
/// their headers; whatever it does not redirect or drop goes on to them.
pub(super) fn hang(object: &mut Object, link: &Link, undo: Undo) -> Result<Hung, AttachError> {
    hang_program(object.program(EGRESS)?, link, TcAttachType::Egress, undo)
}

/// Attaches `program` to `link` in front of all others.
pub fn hang_program(
    program: &mut SchedClassifier,
    link: &Link,
    direction: TcAttachType,
    mut undo: Undo,
) -> Result<Hung, AttachError> {
    let interface = link.name.clone();
    let hook = Hook::of_this_kernel();
    let made_clsact = hook == Hook::Clsact && has_our_clsact(link)?;
    let options = match hook {
        Hook::Tcx => TcAttachOptions::TcxOrder(LinkOrder::first()),
        Hook::Clsact if made_clsact => {
            TcAttachOptions::Netlink(NlOptions { handle: WITH_CLSACT.into(), ..NlOptions::default() })
        }
        Hook::Clsact => TcAttachOptions::Netlink(NlOptions::default()),
    };
    let id = program.info().map(|info| info.id());
    let attached =
        program.attach_with_options(&interface, direction, options).and_then(|id| program.take_link(id));
    let hung = match attached {
        Ok(hung) => hung,
        Err(source) => {
            if made_clsact && let Ok(socket) = Undo::socket() {
                Undo::default().clsact(link.index).run(socket);
            }
            let direction = if direction == TcAttachType::Ingress { "ingress" } else { "egress" };
            return Err(AttachError::Attach { interface, direction, source });
        }
    };
    let mut filter = None;
    if hook == Hook::Clsact {
        filter = id.ok().map(|program| Filter { program, made_clsact });
        if let (Ok(priority), Ok(handle)) = (hung.priority(), hung.handle()) {
            undo = undo.filter(link.index, direction, priority, handle.into());
        }
        if made_clsact {
            undo = undo.clsact(link.index);
        }
    }
    Ok(Hung { link: hung, undo, made_clsact, filter })
}

/// Sees to it that `link` has a clsact qdisc; whether it is this krtp's making or that of one that is still there.
fn has_our_clsact(link: &Link) -> Result<bool, AttachError> {
    let interface = link.name.clone();
    match qdisc_add_clsact(&interface) {
        Ok(()) => Ok(true),
        Err(error) if is_exists(&error) => is_clsact_ours(link.index)
            .map_err(|source| AttachError::Filters { interface, source: source.into() }),
        Err(source) => Err(AttachError::Clsact { interface, source }),
    }
}

fn is_exists(error: &TcError) -> bool {
    let mut error: Option<&dyn std::error::Error> = Some(error);
    while let Some(this) = error {
        if this.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) == Some(libc::EEXIST) {
            return true;
        }
        error = this.source();
    }
    false
}
