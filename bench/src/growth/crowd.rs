//! Many flows of one engine to one destination.

use super::{Engine, Way};
use crate::{
    check,
    devices::{Namespace, Target, UNLIMITED},
    media::Media,
    rows::{Sender, krtp_user, krtpsendfile, means::flow::send_batch, prepared},
};
use anyhow::Context;
use krtp::{
    engine::Flow,
    kernel::attach::Attachment,
    media::{library::Library, prepared::Copy, source::Source},
};
use std::{
    cell::RefCell,
    ops::Range,
    rc::Rc,
    sync::{Arc, PoisonError},
};

/// Packets that a flow sends to the checking receiver.
const CHECKED: usize = 120;

/// What the flows of one engine have in common.
pub enum Means {
    Kernel,
    Prepared(Arc<Copy>),
    User,
}

impl Means {
    /// Those of `engine`.
    pub fn of(engine: Engine, media: &Media) -> anyhow::Result<Self> {
        Ok(match engine {
            Engine::Kernel => Self::Kernel,
            Engine::Prepared => Self::Prepared(prepared::copy(media)?),
            Engine::User => Self::User,
        })
    }

    /// The program on the interface with room for `flows` flows, if it is needed.
    pub fn attach(
        &self,
        namespace: &Namespace,
        target: &Target,
        flows: usize,
    ) -> anyhow::Result<Option<Attachment>> {
        if !matches!(self, Self::Kernel) {
            return Ok(None);
        }
        let attachment = Attachment::for_now(namespace.netlink(), &target.link, u32::try_from(flows)?);
        Ok(Some(namespace.run(attachment)?))
    }

    /// A flow with a socket of its own and, of the kernel engine, its place in the program's maps.
    pub fn flow(
        &self,
        attachment: Option<&Attachment>,
        target: &Target,
        media: &Media,
    ) -> anyhow::Result<Box<dyn Flow>> {
        Ok(match (self, attachment) {
            (Self::Prepared(copy), _) => Box::new(prepared::flow(copy, target, media)?),
            (Self::Kernel, Some(attachment)) => Box::new(krtpsendfile::flow(attachment, target, media)?),
            (Self::Kernel | Self::User, _) => Box::new(krtp_user::flow(target, media)?),
        })
    }

    /// The file as one stream has it, of those that share what `library` knows; all is known of it.
    pub fn source(&self, library: &Library, media: &Media) -> anyhow::Result<Source> {
        let mut source = match self {
            Self::Kernel => media.source_of(library, true)?,
            Self::Prepared(copy) => library.copy(copy)?,
            Self::User => media.source_of(library, false)?,
        };
        source.complete(&mut |_, _| {})?;
        Ok(source)
    }
}

/// The flows, none of which has sent anything. All send the same file.
pub struct Crowd {
    flows: Vec<Box<dyn Flow>>,
    source: Source,
    /// Of the kernel engine. Goes after the flows.
    pub attachment: Option<Attachment>,
}

impl Crowd {
    /// `count` flows.
    pub fn open(
        means: &Means,
        namespace: &Namespace,
        target: &Target,
        media: &Media,
        count: usize,
    ) -> anyhow::Result<Self> {
        let attachment = means.attach(namespace, target, count)?;
        let source = means.source(&Library::new(None), media)?;
        let flows = (0..count).map(|_| means.flow(attachment.as_ref(), target, media));
        Ok(Self { flows: flows.collect::<Result<_, _>>()?, source, attachment })
    }

    /// Octets of the program's maps; none without a program.
    pub fn maps(&self) -> anyhow::Result<u64> {
        let Some(attachment) = &self.attachment else { return Ok(0) };
        let maps = attachment.maps.lock().unwrap_or_else(PoisonError::into_inner);
        let all = [maps.flows.data(), maps.notes.data(), maps.sockets.data()];
        all.into_iter().map(super::memory::of_map).sum()
    }

    /// Has each flow send a batch, from a source of its own.
    pub fn send_each(&mut self, sources: &mut [Source], media: &Media) -> anyhow::Result<()> {
        for (flow, source) in self.flows.iter_mut().zip(sources) {
            send_batch(&mut **flow, source, media, 0, usize::MAX)?;
        }
        Ok(())
    }
}

/// Who of a crowd sends.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// This one alone.
    One(usize),
    /// A batch each, this one next.
    All(usize),
}

/// A crowd as a sender.
pub struct Speakers {
    pub crowd: Rc<RefCell<Crowd>>,
    pub who: Who,
}

impl Sender for Speakers {
    fn send(&mut self, media: &Media, packets: Range<usize>) -> anyhow::Result<()> {
        let mut crowd = self.crowd.borrow_mut();
        let Crowd { flows, source, .. } = &mut *crowd;
        let mut next = packets.start;
        while next < packets.end {
            let flow = match &mut self.who {
                Who::One(flow) => *flow,
                Who::All(turn) => {
                    *turn = (*turn + 1) % flows.len();
                    *turn
                }
            };
            next += send_batch(&mut *flows[flow], source, media, next, packets.end - next)?;
        }
        Ok(())
    }
}

/// The first, the last and one in the middle of `count` flows send to a receiver that looks at every octet.
pub fn check(way: Way, means: &Means, media: &Media, count: usize) -> anyhow::Result<()> {
    let namespace = Namespace::enter_new()?;
    let (target, peer) = namespace.peer(UNLIMITED)?;
    eprintln!("krtp-bench: {count} flows, {}: do they deliver? …", way.title());
    let crowd = Rc::new(RefCell::new(Crowd::open(means, &namespace, &target, media, count)?));
    let mut flows = vec![0, count / 2, count - 1];
    flows.dedup();
    for flow in flows {
        let mut one = Speakers { crowd: Rc::clone(&crowd), who: Who::One(flow) };
        check::datagrams(&mut one, &peer, media, 0..CHECKED, true)
            .with_context(|| format!("flow {flow} of {count}, {}", way.title()))?;
    }
    Ok(())
}
