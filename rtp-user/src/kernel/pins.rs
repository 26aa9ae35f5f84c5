//! What `krtp attach` leaves in the BPF file system, and how `krtp detach`
//! takes it away. Interfaces change their names: which one it is, its index says.
//!
//! ```text
//! /sys/fs/bpf/krtp/eth0@1/             interface, as it was called then @ network namespace (its cookie)
//!     FLOWS NOTES SOCKETS SKIPPED PROGRAMS   the maps
//!     link                            the tcx link (where the kernel has tcx)
//!     ifindex-2                       a directory: which interface it was
//!     filter-49152-1                  a directory: the clsact filter (where not)
//!     clsact                          a directory: the clsact qdisc is ours
//! ```

use super::{
    bpffs,
    hang::{AttachError, Hung, hang},
    lock,
    maps::{Flows, Notes, Sockets},
    object::{Maps, Object, PROGRAMS},
    pin_error::PinError,
    qdisc,
    segmenter::{self, Holder},
    undo::Undo,
};
use crate::net::{
    netlink::{Link, Netlink, is_interface_name},
    qdisc::{Kind, fq::Load},
    socket::namespace_cookie,
};
use aya::{
    maps::{Map, MapData},
    programs::{
        TcAttachType,
        links::{FdLink, PinnedLink},
    },
};
use rustix::fd::OwnedFd;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Our directory in it.
const ROOT: &str = "/sys/fs/bpf/krtp";
/// Attaching and detaching take turns by it.
const LOCK: &str = "/run/krtp-attach.lock";
/// How long `detach` waits for streams to end. One that sleeps for longer
/// between two batches ends when it wakes.
const LEAVING_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at them.
const LEAVING_LOOK: Duration = Duration::from_millis(5);
/// What the directory that names the interface's index begins with.
const INDEX: &str = "ifindex-";

/// The directory of one attached interface.
#[derive(Debug)]
pub struct Pins {
    directory: PathBuf,
    interface: String,
    index: Option<u32>,
}

impl Pins {
    /// Where `link`'s pins are, if it has any: by the name that it has now, or by that which it had.
    pub fn of(link: &Link) -> Result<Self, PinError> {
        let mut pins = Self { index: Some(link.index), ..Self::named(&link.name)? };
        let name = format!("{INDEX}{}", link.index);
        if let Some(directory) = directories(&suffix()?).find(|directory| directory.join(&name).exists()) {
            pins.directory = directory;
        }
        Ok(pins)
    }

    /// The same for an interface that may be gone, or have another name now.
    pub fn named(interface: &str) -> Result<Self, PinError> {
        // No name in a BPF file system holds a dot; no interface's name holds a colon.
        let name = interface.replace('.', ":") + &suffix()?;
        Ok(Self { directory: Path::new(ROOT).join(name), interface: interface.to_owned(), index: None })
    }

    /// The maps, where the interface is attached.
    pub fn open(&self) -> Result<Option<Maps>, PinError> {
        if !self.is_current() {
            return Ok(None);
        }
        Ok(Some(Maps {
            flows: Flows::open(self.map("FLOWS")?)?,
            notes: Notes::open(self.map("NOTES")?)?,
            sockets: Sockets::open(self.map("SOCKETS")?)?,
        }))
    }

    /// The pinned map of that name.
    fn map(&self, name: &str) -> Result<Map, PinError> {
        let path = self.directory.join(name);
        MapData::from_pin(&path).and_then(Map::from_map_data).map_err(|answer| PinError::Map { path, answer })
    }

    /// Whether the pins are this very interface's, not those of an earlier one
    /// of its name.
    pub fn is_current(&self) -> bool {
        let Some(index) = self.index else {
            return self.directory.exists();
        };
        self.directory.join(format!("{INDEX}{index}")).exists()
    }

    /// Every marker directory's name.
    fn markers(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Index of the interface that it was, which may be gone. None: it was never attached wholly.
    fn attached_index(&self) -> Option<u32> {
        self.markers().iter().find_map(|name| name.strip_prefix(INDEX)?.parse().ok())
    }

    /// Lets go of that interface's fq.
    fn unpin_qdisc(&self) -> Result<(), AttachError> {
        if let Some(index) = self.attached_index() {
            qdisc::unpin(index)?;
        }
        Ok(())
    }

    fn make(&self, name: &str) -> Result<(), PinError> {
        let path = self.directory.join(name);
        fs::create_dir(&path).map_err(file(&path))
    }

    /// Removes the directory and all that is pinned there.
    fn remove(&self) -> Result<(), PinError> {
        fs::remove_dir_all(&self.directory).map_err(file(&self.directory))?;
        // The last one takes our directory along, and the file system if it was
        // our making; while others pin there, both stay.
        if fs::remove_dir(ROOT).is_ok() {
            bpffs::unmount();
        }
        Ok(())
    }
}

/// `krtp attach`: loads the program for the flows of `load`, attaches it to
/// `link` and pins everything.
pub async fn attach(
    netlink: &Netlink,
    link: &Link,
    load: Load,
    qdisc: Option<Kind>,
) -> Result<Result<u32, String>, AttachError> {
    let _turn = turn()?;
    let pins = Pins::of(link)?;
    if pins.is_current() {
        return Err(PinError::Exists(link.name.clone()).into());
    }
    if let Some(index) = pins.attached_index()
        && let Some(other) = netlink.link_by_index(index).await?
    {
        return Err(PinError::Renamed { was: link.name.clone(), is: other.name }.into());
    }
    // Who may not load need not be told about mounting.
    let mut object = Object::load(load.flows)?;
    if let Some(Kind::Fq) = qdisc {
        qdisc::pin(netlink, link, load).await?;
    }
    let attached = attach_to(netlink, link, &mut object, &pins).await;
    if attached.is_err() {
        qdisc::unpin(link.index)?;
    }
    attached
}

async fn attach_to(
    netlink: &Netlink,
    link: &Link,
    object: &mut Object,
    pins: &Pins,
) -> Result<Result<u32, String>, AttachError> {
    if pins.directory.exists() {
        pins.unpin_qdisc()?;
        pins.remove()?;
    }
    bpffs::mount(&link.name)?;
    fs::create_dir_all(&pins.directory).map_err(file(&pins.directory))?;
    let segmenter = segmenter::make_or_say(netlink, link, Holder::Attach).await;
    if let Err(error) = pin_all(object, link, pins) {
        if let Ok(index) = segmenter {
            netlink.remove_link(index).await?;
        }
        pins.remove()?;
        return Err(error);
    }
    Ok(segmenter)
}

fn pin_all(object: &mut Object, link: &Link, pins: &Pins) -> Result<(), AttachError> {
    let hung = hang(object, link, Undo::default())?;
    let made_clsact = hung.made_clsact;
    let pinned = pin_hung(object, link, pins, hung);
    if pinned.is_err()
        && made_clsact
        && let Ok(socket) = Undo::socket()
    {
        Undo::default().clsact(link.index).run(socket);
    }
    pinned
}

fn pin_hung(object: &Object, link: &Link, pins: &Pins, hung: Hung) -> Result<(), AttachError> {
    let Hung { link: hung, made_clsact, .. } = hung;
    pin_maps(object, pins)?;
    if made_clsact {
        pins.make("clsact")?;
    }
    match (hung.priority(), hung.handle()) {
        (Ok(priority), Ok(handle)) => {
            pins.make(&format!("filter-{priority}-{}", u32::from(handle)))?;
            // A filter stays without a holder; only dropping this detaches it.
            std::mem::forget(hung);
        }
        _ => {
            pin_link(hung, pins)?;
        }
    }
    // Last: from here on it counts as attached.
    pins.make(&format!("ifindex-{}", link.index))?;
    Ok(())
}

fn pin_maps(object: &Object, pins: &Pins) -> Result<(), PinError> {
    let maps = &object.maps;
    let mut named =
        vec![("FLOWS", maps.flows.data()), ("NOTES", maps.notes.data()), ("SOCKETS", maps.sockets.data())];
    if let Some(Map::PerCpuArray(skipped)) = object.ebpf.map("SKIPPED") {
        named.push(("SKIPPED", skipped));
    }
    if let Some(Map::ProgramArray(programs)) = object.ebpf.map(PROGRAMS) {
        named.push((PROGRAMS, programs));
    }
    for (name, data) in named {
        let path = pins.directory.join(name);
        data.pin(&path).map_err(|source| PinError::Pin { path, source })?;
    }
    Ok(())
}

fn pin_link(hung: aya::programs::tc::SchedClassifierLink, pins: &Pins) -> Result<PinnedLink, PinError> {
    let path = pins.directory.join("link");
    let link = FdLink::try_from(hung)
        .map_err(|error| PinError::File { path: path.clone(), source: io::Error::other(error) })?;
    link.pin(&path).map_err(|source| PinError::Pin { path, source })
}

/// `krtp detach`: undoes `krtp attach` wholly, also where the interface is gone or has another name now.
pub async fn detach(netlink: &Netlink, interface: &str) -> Result<(), AttachError> {
    let _turn = turn()?;
    let pins = find(netlink, interface).await?;
    // What is not a map of this version has no flows that we know how to end.
    if let Ok(Ok(flows)) = pins.map("FLOWS").map(Flows::open) {
        end(&flows).await;
    }
    if let Some(index) = pins.attached_index() {
        let mut undo = Undo::default();
        let markers = pins.markers();
        let numbers = markers.iter().find_map(|name| name.strip_prefix("filter-")?.split_once('-'));
        if let Some((Ok(priority), Ok(handle))) = numbers.map(|(a, b)| (a.parse(), b.parse())) {
            undo = undo.filter(index, TcAttachType::Egress, priority, handle);
        }
        if markers.iter().any(|name| name == "clsact") {
            undo = undo.clsact(index);
        }
        // Of an interface that is gone there is nothing to undo, as the kernel says then.
        if !undo.is_empty() {
            let socket = Undo::socket().map_err(|error| file(&pins.directory)(error.into()))?;
            undo.run(socket);
        }
        if let Some(segmenter) = segmenter::attached(netlink, index).await? {
            let refused = |source| PinError::Detach { interface: interface.to_owned(), source };
            netlink.remove_link(segmenter.index).await.map_err(refused)?;
        }
    }
    pins.unpin_qdisc()?;
    pins.remove()?;
    Ok(())
}

/// The pins of the interface that is called `interface` now, or else of the one
/// that was when it was attached.
async fn find(netlink: &Netlink, interface: &str) -> Result<Pins, AttachError> {
    let link = netlink.link_by_name(interface).await?;
    if let Some(link) = &link {
        let pins = Pins::of(link)?;
        if pins.is_current() {
            return Ok(pins);
        }
    }
    let pins = Pins::named(interface)?;
    if is_interface_name(interface) && pins.directory.exists() {
        return Ok(pins);
    }
    let error = if link.is_some() { PinError::Missing } else { PinError::Unknown };
    Err(error(pins.interface).into())
}

/// Has the streams end before their next batch, which would leave without
/// headers, and waits a while for those that are in the middle of one.
async fn end(flows: &Flows) {
    let deadline = Instant::now() + LEAVING_PATIENCE;
    loop {
        // Each time, since streams may begin as long as the maps are there.
        flows.ask_to_leave();
        if !flows.is_in_use() || Instant::now() >= deadline {
            return;
        }
        sleep(LEAVING_LOOK).await;
    }
}

/// Every interface of this network namespace that is attached, by the name that it had then.
pub fn all() -> Vec<String> {
    let Ok(suffix) = suffix() else {
        return Vec::new();
    };
    let name =
        |directory: PathBuf| Some(directory.file_name()?.to_str()?.strip_suffix(&suffix)?.replace(':', "."));
    directories(&suffix).filter_map(name).collect()
}

/// What the names of this network namespace's directories end with.
fn suffix() -> Result<String, PinError> {
    let cookie = namespace_cookie().map_err(file(Path::new("/proc/self/ns/net")))?;
    Ok(format!("@{cookie}"))
}

fn directories(suffix: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(move |path| path.to_str().is_some_and(|path| path.ends_with(suffix)))
}

/// Waits until no other krtp attaches or detaches: they share the directory
/// and the mount, and the last one takes both away. Held until dropped. Who may
/// have no lock goes without; mostly it is told soon that it may not attach either.
fn turn() -> Result<Option<OwnedFd>, PinError> {
    match lock::take(LOCK) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.is_barred() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> PinError + use<> {
    let path = path.to_owned();
    move |source| PinError::File { path, source }
}
