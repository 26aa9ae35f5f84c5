//! The program on an interface's egress, with its segmenter.

use super::{
    guard::Guard,
    hang::{AttachError, Hung, hang},
    life::Life,
    object::{Maps, Object},
    pins::Pins,
    qdisc,
    segmenter::{self, Holder},
    undo::Undo,
};
use crate::{
    net::netlink::{Link, Netlink},
    process::Process,
};
use aya::{Ebpf, programs::tc::SchedClassifierLink};
use std::sync::{Arc, Mutex};

/// The maps that the flows of one interface share.
pub type SharedMaps = Arc<Mutex<Maps>>;

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
    _life: Option<Life>,
    _hung: Option<SchedClassifierLink>,
    ebpf: Option<Ebpf>,
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
        let life = holder.live(link.index);
        let segmenter = segmenter::make_or_say(netlink, link, holder).await;
        let attachment = Self::hang(netlink, link, object, holder, segmenter).await?;
        Ok(Self { _life: life, ..attachment })
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
            _life: None,
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
            _life: None,
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

/// The pinned segmenter, unless `link` has become unfit since.
fn usable(link: &Link, segmenter: Option<Link>) -> Result<u32, String> {
    match segmenter::unfit(link) {
        Some(reason) => Err(reason),
        None => segmenter
            .map(|segmenter| segmenter.index)
            .ok_or_else(|| format!("{} was attached without one", link.name)),
    }
}
