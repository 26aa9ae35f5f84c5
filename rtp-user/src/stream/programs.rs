//! The program on every interface that streams leave through.

use super::way::Way;
use crate::{
    engine::{
        Setting,
        kernel::{KernelFlow, LONGEST_PAYLOAD, Path},
    },
    kernel::{attach::Attachment, hang::Hook},
    net::{netlink::Netlink, socket::FlowSocket},
    stop::Stop,
};
use anyhow::{Context, Result, ensure};
use aya_log::EbpfLogger;
use std::{collections::BTreeMap, future::pending};
use tokio::io::unix::AsyncFd;

/// The kernel engine on every interface of the streams. Keeps the program there
/// as long as it lives.
pub(super) struct Programs {
    /// By interface index.
    interfaces: BTreeMap<u32, Hung>,
}

/// The program on one interface.
struct Hung {
    attachment: Attachment,
    pinned: bool,
}

impl Programs {
    /// On the interfaces of all `ways`, with room for a flow on each way.
    /// `payload`: the longest of any stream.
    pub async fn hang(netlink: &Netlink, ways: &[&Way], payload: u32) -> Result<Self> {
        ensure!(
            payload <= LONGEST_PAYLOAD,
            "a payload of {payload} octets is too long for it (at most {LONGEST_PAYLOAD})"
        );
        crate::kernel::check_version()?;
        let mut interfaces = BTreeMap::new();
        for Way { link, .. } in ways {
            ensure!(link.ethernet, "{} has no Ethernet headers", link.name);
            if interfaces.contains_key(&link.index) {
                continue;
            }
            let flows = ways.iter().filter(|other| other.link.index == link.index).count();
            let hung = if let Some(attachment) = Attachment::pinned(netlink, link).await? {
                Hung { attachment, pinned: true }
            } else {
                let attachment = Attachment::for_now(netlink, link, flows as u32).await?;
                Hung { attachment, pinned: false }
            };
            interfaces.insert(link.index, hung);
        }
        Ok(Self { interfaces })
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

    /// How packets go through the interface of `way`, in a few words.
    pub fn describe(&self, way: &Way) -> String {
        let hung = &self.interfaces[&way.link.index];
        let hook = Hook::of_this_kernel().name();
        let pinned = if hung.pinned { ", attached before" } else { "" };
        match &hung.attachment.segmenter {
            Ok(_) => format!("{hook}, batches through the segmenter{pinned}"),
            Err(why) => format!("{hook}, one datagram per sendfile because {why}{pinned}"),
        }
    }
}

/// The program's log lines, and what keeps the program on its interfaces.
pub(super) struct Log {
    logger: Option<AsyncFd<EbpfLogger<&'static dyn log::Log>>>,
    #[expect(dead_code, reason = "held for its drop: the program goes when the streams have ended")]
    programs: Option<Programs>,
}

impl Log {
    pub fn of(mut programs: Option<Programs>) -> Self {
        let logger = programs
            .as_mut()
            .and_then(|programs| programs.interfaces.values_mut().next())
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
