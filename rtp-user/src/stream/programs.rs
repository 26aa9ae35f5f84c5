//! The program on every interface that streams leave through.

use super::way::Way;
use crate::{
    engine::{
        Setting,
        kernel::{KernelFlow, LONGEST_PAYLOAD, Path},
        prepared::PreparedFlow,
    },
    kernel::{attach::Attachment, hang::Hook},
    line::one_line,
    net::{
        netlink::{Link, Netlink},
        offload,
        socket::FlowSocket,
    },
    stop::Stop,
};
use anyhow::{Context, Result, ensure};
use aya_log::EbpfLogger;
use std::{collections::BTreeMap, future::pending};
use tokio::io::unix::AsyncFd;

/// The program on the interfaces of the streams. Keeps it there as long as it lives.
#[derive(Default)]
pub(super) struct Programs {
    /// By interface index.
    interfaces: BTreeMap<u32, Hung>,
    /// Why it counts no prepared packets, by interface index.
    unaccounted: BTreeMap<u32, String>,
}

/// The program on one interface.
struct Hung {
    attachment: Attachment,
    pinned: bool,
}

impl Programs {
    /// On the interfaces of all `ways`, for the kernel engine, with room for a
    /// flow on each way, and on each of the `prepared` ways there.
    /// `payload`: the longest of any stream.
    pub async fn hang(
        &mut self,
        netlink: &Netlink,
        ways: &[&Way],
        prepared: &[&Way],
        payload: u32,
    ) -> Result<()> {
        ensure!(
            payload <= LONGEST_PAYLOAD,
            "a payload of {payload} octets is too long for it (at most {LONGEST_PAYLOAD})"
        );
        let mut interfaces = BTreeMap::new();
        for Way { link, .. } in ways {
            check(link)?;
            if interfaces.contains_key(&link.index) {
                continue;
            }
            let hung = if let Some(hung) = pinned(netlink, link).await? {
                hung
            } else {
                let flows = on(link, ways) + on(link, prepared);
                Hung { attachment: Attachment::for_now(netlink, link, flows).await?, pinned: false }
            };
            interfaces.insert(link.index, hung);
        }
        self.interfaces.extend(interfaces);
        Ok(())
    }

    /// On the interfaces of all `ways` where it can be had, to count what
    /// prepared files send; their packets need it for nothing else.
    pub async fn hang_for_prepared(&mut self, netlink: &Netlink, ways: &[&Way]) {
        for Way { link, .. } in ways {
            if self.interfaces.contains_key(&link.index) || self.unaccounted.contains_key(&link.index) {
                continue;
            }
            match for_prepared(netlink, link, on(link, ways)).await {
                Ok(hung) => {
                    self.interfaces.insert(link.index, hung);
                }
                Err(error) => {
                    self.unaccounted.insert(link.index, one_line(&error));
                }
            }
        }
    }

    /// A flow of `socket` on its way.
    pub fn open(&self, way: &Way, socket: FlowSocket, setting: Setting, stop: &Stop) -> Result<KernelFlow> {
        let Hung { attachment, .. } = &self.interfaces[&way.link.index];
        let path = Path {
            interface: way.link.index,
            segmenter: attachment.segmenter.as_ref().ok().copied(),
            next_hop: way.next_hop,
        };
        let flow = KernelFlow::open(&attachment.maps, socket, setting, path, stop.clone());
        flow.with_context(|| format!("{} on {}", way.destination, way.link.name))
    }

    /// Has `flow` counted on its way, where that can be.
    pub fn account(&self, way: &Way, flow: &mut PreparedFlow) {
        let Some(Hung { attachment, .. }) = self.interfaces.get(&way.link.index) else {
            return;
        };
        if let Err(error) = flow.account(&attachment.maps, way.link.index) {
            tracing::warn!("{} goes unaccounted: {}", way.destination, one_line(&error.into()));
        }
    }

    /// How packets go through the interface of `way`, in a few words.
    pub fn describe(&self, way: &Way) -> String {
        let hung = &self.interfaces[&way.link.index];
        let hook = Hook::of_this_kernel().name();
        let pinned = hung.how();
        match &hung.attachment.segmenter {
            Ok(_) => format!("{hook}, batches through the segmenter{pinned}"),
            Err(why) => format!("{hook}, one datagram per sendfile because {why}{pinned}"),
        }
    }

    /// The same of prepared packets.
    pub fn describe_prepared(&self, way: &Way) -> String {
        let Link { name, index, .. } = &way.link;
        let cut = if offload::segmentation(name).unwrap_or_default() {
            format!("batches cut by {name}")
        } else {
            format!("batches cut before {name}, which does not segment UDP")
        };
        match (self.interfaces.get(index), self.unaccounted.get(index)) {
            (Some(hung), _) => format!("{}, {cut}{}", Hook::of_this_kernel().name(), hung.how()),
            (None, Some(why)) => format!("{cut}, unaccounted because {why}"),
            (None, None) => cut,
        }
    }
}

impl Hung {
    fn how(&self) -> &'static str {
        if self.pinned { ", attached before" } else { "" }
    }
}

/// Whether the program may work on `link`.
fn check(link: &Link) -> Result<()> {
    crate::kernel::check_version()?;
    ensure!(link.ethernet, "{} has no Ethernet headers", link.name);
    Ok(())
}

/// How many of `ways` leave through `link`.
fn on(link: &Link, ways: &[&Way]) -> u32 {
    ways.iter().filter(|way| way.link.index == link.index).count() as u32
}

/// What `krtp attach` left there, if it did.
async fn pinned(netlink: &Netlink, link: &Link) -> Result<Option<Hung>> {
    let attachment = Attachment::pinned(netlink, link).await?;
    Ok(attachment.map(|attachment| Hung { attachment, pinned: true }))
}

async fn for_prepared(netlink: &Netlink, link: &Link, flows: u32) -> Result<Hung> {
    check(link)?;
    if let Some(hung) = pinned(netlink, link).await? {
        return Ok(hung);
    }
    Ok(Hung { attachment: Attachment::for_prepared(netlink, link, flows).await?, pinned: false })
}

/// The program's log lines, and what keeps the program on its interfaces.
pub(super) struct Log {
    logger: Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>,
    #[expect(dead_code, reason = "held for its drop: the program goes when the streams have ended")]
    programs: Programs,
}

impl Log {
    pub fn of(mut programs: Programs) -> Self {
        let logger = programs
            .interfaces
            .values_mut()
            .next()
            .and_then(|hung| hung.attachment.ebpf())
            .and_then(|ebpf| EbpfLogger::init(ebpf).ok())
            // SAFETY: the logger keeps its one ring buffer, and with it the
            // descriptor, as long as it lives, which is inside the `AsyncFd`.
            .and_then(|logger| unsafe { AsyncFd::register(logger) }.ok());
        Self { logger, programs }
    }

    /// Shows what the program has to say, when it has; else waits for ever.
    pub async fn show(&mut self) {
        let Some(logger) = &mut self.logger else {
            return pending().await;
        };
        if let Ok(mut ready) = logger.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}
