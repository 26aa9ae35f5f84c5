//! The program on an interface's egress, with its segmenter.

use super::{
    guard::Guard,
    object::{EGRESS, LoadError, Maps, Object},
    pins::{PinError, Pins},
    qdisc::{self, QdiscError},
    segmenter::{self, Filter, Holder},
    undo::Undo,
};
use crate::{
    net::netlink::{Link, Netlink, NetlinkError},
    process::Process,
};
use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_add_clsact},
    },
    util::KernelVersion,
};
use std::{
    io,
    sync::{Arc, Mutex},
};

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

/// The maps that the flows of one interface share.
pub type SharedMaps = Arc<Mutex<Maps>>;

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

/// The program, ready for flows on one interface.
#[derive(Debug)]
pub struct Attachment {
    /// The maps, shared with the flows.
    pub maps: SharedMaps,
    /// The interface.
    pub link: Link,
    /// The segmenter's index, or why there is none.
    pub segmenter: Result<u32, String>,
    // Fields drop in this order: the guardian takes away what the kernel would
    // keep, then the link goes, then the object.
    _guard: Option<Guard>,
    _hung: Option<SchedClassifierLink>,
    ebpf: Option<Ebpf>,
}

/// What [`hang`] made.
pub struct Hung {
    /// Detaches on drop.
    pub link: SchedClassifierLink,
    /// How to take away what the kernel would keep.
    pub undo: Undo,
    /// Whether the interface's clsact qdisc is our making.
    pub made_clsact: bool,
    /// The filter, on a kernel without tcx.
    pub filter: Option<Filter>,
}

impl Attachment {
    /// For as long as this value lives: loads the program for `flows` flows,
    /// makes a segmenter and attaches to `link`.
    pub async fn for_now(netlink: &Netlink, link: &Link, flows: u32) -> Result<Self, AttachError> {
        Self::of_object(netlink, link, Object::load(flows)?).await
    }

    /// The same for flows of prepared files alone, which need no segmenter.
    pub async fn for_prepared(netlink: &Netlink, link: &Link, flows: u32) -> Result<Self, AttachError> {
        let object = Object::load_for_prepared(flows)?;
        sweep(netlink).await?;
        let holder = Holder::Process(Process::own());
        Self::hang(netlink, link, object, holder, Err("prepared packets need none".into())).await
    }

    /// As [`Self::for_now`], with what is loaded already.
    pub async fn of_object(netlink: &Netlink, link: &Link, object: Object) -> Result<Self, AttachError> {
        sweep(netlink).await?;
        let holder = Holder::Process(Process::own());
        let segmenter = make_segmenter(netlink, link, holder).await;
        Self::hang(netlink, link, object, holder, segmenter).await
    }

    async fn hang(
        netlink: &Netlink,
        link: &Link,
        mut object: Object,
        holder: Holder,
        segmenter: Result<u32, String>,
    ) -> Result<Self, AttachError> {
        let made = segmenter.as_ref().map_or_else(|_| Undo::default(), |index| Undo::default().link(*index));
        let Hung { link: hung, undo, filter, .. } = match hang(&mut object, link, made.clone()) {
            Ok(hung) => hung,
            Err(error) => {
                if let Ok(index) = segmenter {
                    netlink.remove_link(index).await?;
                }
                return Err(error);
            }
        };
        if let (Ok(index), Some(filter)) = (&segmenter, filter) {
            // What is not noted is only missed by a sweep after our guardian was killed, too.
            if let Err(error) = segmenter::note(netlink, *index, holder, filter).await {
                tracing::debug!("{error}");
            }
        }
        let guard = if undo.is_empty() {
            None
        } else {
            let source = |source| AttachError::Guard { interface: link.name.clone(), source };
            Some(Guard::start(&undo).map_err(source)?)
        };
        Ok(Self {
            maps: Arc::new(Mutex::new(object.maps)),
            link: link.clone(),
            segmenter,
            _guard: guard,
            _hung: Some(hung),
            ebpf: Some(object.ebpf),
        })
    }

    /// What `krtp attach` left on `link`, if it did.
    pub async fn pinned(netlink: &Netlink, link: &Link) -> Result<Option<Self>, AttachError> {
        let Some(maps) = Pins::of(link)?.open()? else {
            return Ok(None);
        };
        let segmenter = segmenter::attached(netlink, link.index).await?;
        Ok(Some(Self {
            maps: Arc::new(Mutex::new(maps)),
            link: link.clone(),
            segmenter: usable(link, segmenter),
            _guard: None,
            _hung: None,
            ebpf: None,
        }))
    }

    /// aya's view of the loaded object, for its log; not of a pinned one.
    pub fn ebpf(&mut self) -> Option<&mut Ebpf> {
        self.ebpf.as_mut()
    }
}

/// Removes what a killed krtp left whose guardian was killed, too.
async fn sweep(netlink: &Netlink) -> Result<(), AttachError> {
    for name in segmenter::sweep(netlink).await? {
        tracing::info!("removed {name}, left behind by a killed krtp");
    }
    qdisc::sweep()?;
    Ok(())
}

/// Makes the segmenter, or says why batches cannot be segmented on `link`.
pub(super) async fn make_segmenter(netlink: &Netlink, link: &Link, holder: Holder) -> Result<u32, String> {
    if let Some(reason) = segmenter::unfit(link) {
        return Err(reason);
    }
    segmenter::create(netlink, link, holder).await.map_err(|error| error.to_string())
}

/// The pinned segmenter, unless `link` has become unfit since.
fn usable(link: &Link, segmenter: Option<Link>) -> Result<u32, String> {
    match segmenter::unfit(link) {
        Some(reason) => Err(reason),
        None => segmenter
            .map(|segmenter| segmenter.index)
            .ok_or_else(|| format!("{} was attached without one", link.name)),
    }
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
    let options = match Hook::of_this_kernel() {
        Hook::Tcx => TcAttachOptions::TcxOrder(LinkOrder::first()),
        Hook::Clsact => TcAttachOptions::Netlink(NlOptions::default()),
    };
    let mut made_clsact = false;
    if Hook::of_this_kernel() == Hook::Clsact {
        match qdisc_add_clsact(&interface) {
            Ok(()) => made_clsact = true,
            Err(error) if is_exists(&error) => {}
            Err(source) => return Err(AttachError::Clsact { interface, source }),
        }
    }
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
    if Hook::of_this_kernel() == Hook::Clsact {
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
