//! The segmenter: a macvlan on the interface that takes no GSO packet, so that
//! the kernel segments what is redirected to it and sends every segment
//! through the interface's egress by itself.

use super::{life::Life, undo::Undo};
use crate::{
    net::{
        netlink::{Link, Netlink, NetlinkError, is_errno},
        offload,
    },
    process::Process,
};
use aya::programs::TcAttachType;
use futures_util::TryStreamExt;
use rtnetlink::{
    LinkMacVlan, LinkUnspec,
    packet_route::{
        link::{LinkAttribute, MacVlanMode},
        tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption},
    },
};

/// What the alias of each of our segmenters begins with.
const MARK: &str = "krtp segmenter of";
/// With `gso_max_segs` 1 the kernel segments every batch whose segments were
/// counted. A batch that the program gave headroom is not counted any more, and
/// is recognised by its size (`gso_features_check`, since v6.8, commit
/// 24ab059d2ebd, also in 6.1.y). Not below `MAX_TCP_HEADER`, which newer kernels
/// refuse.
const GSO_MAX_SIZE: u32 = 2048;
/// Below the least that IPv6 asks for (RFC 8200 §5), so that the kernel speaks no IPv6 there: it would take the network's
/// router advertisements (`accept_ra`) on the segmenter for its own, with a default route that leads nowhere. Nothing
/// measures by it what is redirected to the segmenter, or its segments.
const MTU: u32 = 1279;
/// The holder of a segmenter that `krtp attach` left on purpose.
const PINNED: &str = "attach";

/// Who answers for a segmenter's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A process: it goes when the process goes.
    Process(Process),
    /// `krtp attach`: it stays until `krtp detach`.
    Attach,
}

impl Holder {
    fn alias(self, filter: Option<Filter>) -> String {
        let filter = filter.map_or_else(String::new, |filter| format!(" {}", filter.words()));
        self.name() + &filter
    }

    fn name(self) -> String {
        match self {
            Self::Process(Process { pid, start }) => format!("{MARK} {pid} {start} {}", pid_namespace()),
            Self::Attach => format!("{MARK} {PINNED}"),
        }
    }

    /// The holder that an alias names, if it is one of ours.
    fn of(alias: &str) -> Option<Result<Self, ForeignProcess>> {
        let name = alias.split_once(FILTER).map_or(alias, |(name, _)| name).trim_end();
        let words: Vec<&str> = name.strip_prefix(MARK)?.split_whitespace().collect();
        match *words.as_slice() {
            [PINNED] => Some(Ok(Self::Attach)),
            [pid, start, namespace] => {
                let process = Process { pid: pid.parse().ok()?, start: start.parse().ok()? };
                Some(if namespace == pid_namespace() {
                    Ok(Self::Process(process))
                } else {
                    Err(ForeignProcess(name.to_owned()))
                })
            }
            _ => None,
        }
    }
}

/// Before 6.6 there is no tcx link that goes with its process, but a filter: a
/// segmenter's alias says which, so that whoever sweeps takes it away as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The id of its program, which no other has as long as the kernel runs.
    pub program: u32,
    /// Whether the clsact qdisc came with it.
    pub made_clsact: bool,
}

/// What comes before a filter in an alias.
const FILTER: &str = "with program";
const CLSACT: &str = "and clsact";

impl Filter {
    fn words(self) -> String {
        let clsact = if self.made_clsact { format!(" {CLSACT}") } else { String::new() };
        format!("{FILTER} {}{clsact}", self.program)
    }

    fn of(alias: &str) -> Option<Self> {
        let (_, words) = alias.split_once(FILTER)?;
        let (program, made_clsact) = match words.split_once(CLSACT) {
            Some((program, _)) => (program, true),
            None => (words, false),
        };
        Some(Self { program: program.trim().parse().ok()?, made_clsact })
    }
}

/// A process whose id means nothing here, by its name: another PID namespace.
struct ForeignProcess(String);

/// What the holder of that name keeps as long as it holds a segmenter on interface `lower`.
fn sign_of_life(name: &str, lower: u32) -> String {
    format!("{name} on {lower}")
}

impl Holder {
    /// Shows processes of other PID namespaces that this one lives: to be kept as long as its segmenter on interface
    /// `lower`, and taken before that is made. Without it a krtp in another container would take the segmenter away.
    pub(super) fn live(self, lower: u32) -> Option<Life> {
        match self {
            Self::Process(_) => Life::hold(&sign_of_life(&self.name(), lower)).ok(),
            Self::Attach => None,
        }
    }
}

fn pid_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map_or_else(|_| "?".into(), |link| link.to_string_lossy().into_owned())
}

/// Why batches cannot be segmented on `link`, where they cannot.
pub fn unfit(link: &Link) -> Option<String> {
    if link.loopback {
        return Some("a loopback carries no segmenter".into());
    }
    match link.kind.as_deref() {
        // A macvlan on a macvlan sends through the interface below it
        // (`macvlan_dev_real_dev`): segments would not come back to this one.
        Some(kind @ ("macvlan" | "macvtap" | "ipvlan" | "ipvtap")) => {
            Some(format!("a {kind} carries no segmenter of its own"))
        }
        _ => unfinished(link),
    }
}

/// Before Linux 6.11 the kernel takes no batch for an interface that computes no
/// checksums (EIO). Since then (commit 10154dbded6d) it does, but notes where the
/// UDP header is without saying so (`CHECKSUM_NONE`): the note goes wrong when the
/// program makes headroom (`pskb_expand_head` moves it for `CHECKSUM_PARTIAL`
/// only), and the segmenter drops the batch (`__udp_gso_segment`).
fn unfinished(link: &Link) -> Option<String> {
    // What does not answer is taken for an interface like any.
    let finishes = offload::checksums(&link.name).unwrap_or(true);
    (!finishes).then(|| format!("{0} computes no checksums (ethtool -K {0} tx on)", link.name))
}

/// Makes a segmenter on `link`, or says why batches cannot be segmented there.
pub(super) async fn make_or_say(netlink: &Netlink, link: &Link, holder: Holder) -> Result<u32, String> {
    if let Some(reason) = unfit(link) {
        return Err(reason);
    }
    create(netlink, link, holder).await.map_err(|error| error.to_string())
}

/// Makes a segmenter on `lower` and returns its index.
pub async fn create(netlink: &Netlink, lower: &Link, holder: Holder) -> Result<u32, NetlinkError> {
    let (name, what) = make(netlink, lower).await?;
    let index = netlink.link_by_name(&name).await?.map(|link| link.index).unwrap_or_default();
    if let Err(error) = bring_up(netlink, index, holder).await {
        netlink.remove_link(index).await?;
        return Err(NetlinkError::refused(what)(error));
    }
    Ok(index)
}

/// How often a name may be taken by another krtp between our looking and our
/// making.
const TRIES: u32 = 16;

/// Makes the macvlan under the first free name; the name, and what was done in
/// words.
async fn make(netlink: &Netlink, lower: &Link) -> Result<(String, String), NetlinkError> {
    for tries_left in (0..TRIES).rev() {
        let links = netlink.links().await?;
        let name = (0..=u32::MAX)
            .map(|number| format!("krtp{number}"))
            .find(|name| links.iter().all(|link| link.name != *name))
            .expect("fewer interfaces than numbers");
        let what = format!("making the segmenter {name} on {}", lower.name);
        let message = LinkMacVlan::new(&name, lower.index, MacVlanMode::Private)
            .arp(false)
            .mtu(lower.mtu.min(MTU))
            .build();
        match netlink.handle().link().add(message).execute().await {
            Ok(()) => return Ok((name, what)),
            Err(error) if tries_left > 0 && is_errno(&error, libc::EEXIST) => {}
            Err(error) => return Err(NetlinkError::refused(what)(error)),
        }
    }
    unreachable!("the last try returns")
}

/// What the kernel does not take while it makes a link. No address, no ARP, no
/// IPv6 (see [`MTU`]): nothing ever speaks through the segmenter but the batches
/// that the program sends there.
async fn bring_up(netlink: &Netlink, index: u32, holder: Holder) -> Result<(), rtnetlink::Error> {
    let message = LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::IfAlias(holder.alias(None)))
        .append_extra_attribute(LinkAttribute::GsoMaxSegs(1))
        .append_extra_attribute(LinkAttribute::GsoMaxSize(GSO_MAX_SIZE))
        .up()
        .build();
    netlink.handle().link().set(message).execute().await
}

/// Notes in the alias of segmenter `index` that `filter` goes with it.
pub async fn note(netlink: &Netlink, index: u32, holder: Holder, filter: Filter) -> Result<(), NetlinkError> {
    let alias = LinkAttribute::IfAlias(holder.alias(Some(filter)));
    let message = LinkUnspec::new_with_index(index).append_extra_attribute(alias).build();
    let noted = netlink.handle().link().set(message).execute().await;
    noted.map_err(NetlinkError::refused("noting the filter in the segmenter's alias"))
}

/// Whether `link` is a segmenter of krtp's.
pub fn is_ours(link: &Link) -> bool {
    link.alias.as_deref().and_then(Holder::of).is_some()
}

/// The segmenters whose process is gone (killed together with its guardian).
pub async fn left_behind(netlink: &Netlink) -> Result<Vec<Link>, NetlinkError> {
    let mut links = netlink.links().await?;
    links.retain(|link| match link.alias.as_deref().and_then(Holder::of) {
        Some(Ok(Holder::Process(process))) => !process.is_alive(),
        Some(Err(ForeignProcess(name))) => {
            !Life::is_held(&sign_of_life(&name, link.lower.unwrap_or_default()))
        }
        Some(Ok(Holder::Attach)) | None => false,
    });
    Ok(links)
}

/// Removes the segmenters that were [left behind](left_behind), and the filters
/// that went with them. Returns their names.
pub async fn sweep(netlink: &Netlink) -> Result<Vec<String>, NetlinkError> {
    let mut swept = Vec::new();
    for link in left_behind(netlink).await? {
        if let (Some(lower), Some(filter)) = (link.lower, link.alias.as_deref().and_then(Filter::of)) {
            remove(netlink, lower, filter).await;
        }
        netlink.remove_link(link.index).await?;
        swept.push(link.name);
    }
    Ok(swept)
}

/// Removes `filter` from the egress of interface `lower`, if it is there.
async fn remove(netlink: &Netlink, lower: u32, filter: Filter) {
    let filters = netlink.handle().traffic_filter(lower.cast_signed()).get().egress().execute();
    // Without a clsact qdisc there is nothing to list.
    let filters: Vec<TcMessage> = filters.try_collect().await.unwrap_or_default();
    let mut undo = Undo::default();
    for found in filters.iter().filter(|found| program(found) == Some(filter.program)) {
        // tcm_info: priority and protocol.
        undo = undo.filter(
            lower,
            TcAttachType::Egress,
            (found.header.info >> 16) as u16,
            found.header.handle.into(),
        );
    }
    if undo.is_empty() {
        return;
    }
    if filter.made_clsact {
        undo = undo.clsact(lower);
    }
    if let Ok(socket) = Undo::socket() {
        undo.run(socket);
    }
}

/// The id of a BPF filter's program.
fn program(filter: &TcMessage) -> Option<u32> {
    let options = filter.attributes.iter().filter_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    });
    options.flatten().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
        _ => None,
    })
}

/// The segmenters of `lower` that `krtp attach` left.
pub async fn attached(netlink: &Netlink, lower: u32) -> Result<Option<Link>, NetlinkError> {
    let links = netlink.links().await?;
    Ok(links.into_iter().find(|link| {
        link.lower == Some(lower)
            && matches!(link.alias.as_deref().and_then(Holder::of), Some(Ok(Holder::Attach)))
    }))
}

#[cfg(test)]
mod tests {
    use super::{Filter, Holder};
    use crate::process::Process;

    #[test]
    fn an_alias_names_its_holder() {
        for holder in [Holder::Attach, Holder::Process(Process { pid: 7, start: 99 })] {
            for made_clsact in [None, Some(false), Some(true)] {
                let filter = made_clsact.map(|made_clsact| Filter { program: 4711, made_clsact });
                let alias = holder.alias(filter);
                let read = Holder::of(&alias).expect("ours").ok().expect("of this namespace");
                assert_eq!((read, Filter::of(&alias)), (holder, filter), "{alias}");
                // IFALIASZ (linux/if.h).
                assert!(alias.len() < 256, "{alias}");
            }
        }
    }

    #[test]
    fn a_foreign_alias_is_nobody_of_ours() {
        for alias in ["", "uplink to the switch", "krtp segmenter of", "krtp segmenter of x y z"] {
            assert!(Holder::of(alias).is_none(), "{alias:?}");
        }
    }

    #[test]
    fn a_process_of_another_pid_namespace_goes_by_its_name() {
        for alias in
            ["krtp segmenter of 1 2 pid:[1]", "krtp segmenter of 1 2 pid:[1] with program 7 and clsact"]
        {
            let Some(Err(foreign)) = Holder::of(alias) else { panic!("{alias}") };
            assert_eq!(foreign.0, "krtp segmenter of 1 2 pid:[1]", "{alias}");
        }
    }
}
