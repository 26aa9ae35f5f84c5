//! `--qdisc fq`: an fq on an interface for as long as somebody needs it.
//!
//! What was there before is written down as `/run/krtp-qdisc-COOKIE-INDEX` (the
//! network namespace's cookie and the interface's index): four octets, the last
//! of which is one while `krtp attach` holds the fq, and then the encoded
//! requests that put it back. A file and not a pin, because a BPF file system
//! holds no files; under `/run`, because it goes with the boot as qdiscs do.
//!
//! Every stream that relies on the fq has the file locked shared, through its
//! guardian. The last one to go finds that it can have the lock for itself,
//! puts back what was there, and removes the file; so no fq goes from under a
//! stream. A file that nobody has locked was left behind: the next krtp does
//! the same with it.

use super::{
    guard::Guard,
    lock::{self, LockError},
    record::{FREE, PINNED, Record},
    undo::Undo,
};
use crate::net::{
    netlink::{Link, Netlink, NetlinkError, is_errno},
    qdisc::{
        self, Departures, Kind,
        fq::Load,
        plan::{self, Refusal},
    },
    socket::namespace_cookie,
};
use rtnetlink::packet_core::NLM_F_CREATE;
use rustix::fd::OwnedFd;
use std::{fs, io, path::Path};

/// Where records are.
const RUN: &str = "/run";
/// Starting and sweeping take turns by it.
const LOCK: &str = "/run/krtp-qdisc.lock";
/// What their names begin with.
const NAME: &str = "krtp-qdisc-";

/// Why there is no fq where one was asked for.
#[derive(Debug, thiserror::Error)]
pub enum QdiscError {
    /// The interface has something that krtp leaves alone.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The kernel has no fq.
    #[error(
        "{0}: this kernel has no fq qdisc: modprobe sch_fq, or boot a kernel with CONFIG_NET_SCH_FQ; \
         without --qdisc fq krtp paces by itself"
    )]
    NoFq(String),
    /// rtnetlink said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// What was there cannot be written down.
    #[error("{path}: {source}{}", remedy(source))]
    Record {
        /// The file.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is another krtp's turn, and stays so.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No guardian.
    #[error("cannot start the guardian that puts back the qdisc of {interface}: {source}")]
    Guard {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run as root" } else { "" }
}

/// A stream's hold on the fq of one interface. What is dropped last has the
/// qdisc put back that was there before; packets that wait in the fq then are
/// lost, so the sockets must have run dry.
#[derive(Debug)]
pub struct Held {
    /// Whether departure times are kept.
    pub departures: Departures,
    _guard: Option<Guard>,
}

/// Sees to it that `link` keeps departure times as long as the answer lives:
/// installs an fq for `load` if `wish` asks for it, and holds the one that
/// another krtp installed. Without a wish nothing is installed or changed.
pub async fn hold(
    netlink: &Netlink,
    link: &Link,
    load: Load,
    wish: Option<Kind>,
) -> Result<Held, QdiscError> {
    let link = qdisc::keeper(netlink, link).await?;
    let guard = match (wish, Place::of(&link)?.exists()) {
        (None, false) => None,
        // Who may not hold another's fq may still use it.
        (None, true) => join(&link).ok(),
        (Some(Kind::Fq), _) => {
            sweep()?;
            let _turn = turn()?;
            let record = Place::of(&link)?.open()?;
            let is_held = install(netlink, &link, load, &record).await?;
            is_held.then(|| guard(&link, record)).transpose()?
        }
    };
    Ok(Held { departures: qdisc::departures(netlink, &link).await?, _guard: guard })
}

fn join(link: &Link) -> Result<Guard, QdiscError> {
    let _turn = turn()?;
    guard(link, Place::of(link)?.open()?)
}

fn guard(link: &Link, record: Record) -> Result<Guard, QdiscError> {
    let undo = Undo::default().qdisc(record);
    let source = |source| QdiscError::Guard { interface: link.name.clone(), source };
    Guard::start(&undo).map_err(source)
}

/// `krtp attach --qdisc fq`: the same until [`unpin`].
pub async fn pin(netlink: &Netlink, link: &Link, load: Load) -> Result<(), QdiscError> {
    sweep()?;
    let _turn = turn()?;
    let place = Place::of(link)?;
    let record = place.open()?;
    if install(netlink, link, load, &record).await? {
        record.mark(PINNED).map_err(place.failed())?;
    }
    Ok(())
}

/// Gives up what [`pin`] holds on interface `index`, which may be gone. Streams
/// that hold it too keep it until they end.
pub fn unpin(index: u32) -> Result<(), QdiscError> {
    let place = Place::of_index(index)?;
    if !place.exists() {
        return Ok(());
    }
    let _turn = turn()?;
    if place.exists() {
        let record = place.open()?;
        record.mark(FREE).map_err(place.failed())?;
        run(&Undo::default().qdisc(record));
    }
    Ok(())
}

/// Puts back what killed ones left behind, as far as we may.
pub fn sweep() -> Result<(), QdiscError> {
    for index in recorded()? {
        let _turn = match turn() {
            Err(QdiscError::Lock(error)) if error.is_barred() => return Ok(()),
            turn => turn?,
        };
        let place = Place::of_index(index)?;
        // Not opened where it has gone meanwhile: that would make it.
        let record = place.exists().then(|| place.open().ok()).flatten();
        if let Some(record) = record {
            run(&Undo::default().qdisc(record));
        }
    }
    Ok(())
}

/// The interfaces, by index, whose qdisc the next [`sweep`] puts back: of those
/// whose records we may read.
pub fn left_behind() -> Result<Vec<u32>, QdiscError> {
    let mut indices = recorded()?;
    if indices.is_empty() {
        return Ok(indices);
    }
    let _turn = turn()?;
    let is_left = |&index: &u32| Place::of_index(index).is_ok_and(|place| Record::is_left(&place.0));
    indices.retain(is_left);
    Ok(indices)
}

/// The interfaces of this network namespace, by index, that have a record.
fn recorded() -> Result<Vec<u32>, QdiscError> {
    let prefix = Place::prefix()?;
    let names = fs::read_dir(RUN).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect())
}

/// Makes or raises the fq of `link`. Whether there is something to be undone;
/// where it fails, it has been.
async fn install(netlink: &Netlink, link: &Link, load: Load, record: &Record) -> Result<bool, QdiscError> {
    let outcome = try_install(netlink, link, load, record).await;
    if !matches!(outcome, Ok(true)) {
        run(&Undo::default().qdisc(record.clone()));
    }
    outcome
}

async fn try_install(
    netlink: &Netlink,
    link: &Link,
    load: Load,
    record: &Record,
) -> Result<bool, QdiscError> {
    let qdiscs = qdisc::list(netlink, link.index).await?;
    let held = !record.is_empty();
    let plan = plan::plan((link.index, &link.name), &qdiscs, load, held)?;
    if !plan.back.is_empty() {
        // First: from here on nothing can be left behind unknown.
        record.write(&plan.back).map_err(Place::of(link)?.failed())?;
    }
    for request in plan.make {
        let makes = request.header.flags & NLM_F_CREATE != 0;
        qdisc::send(netlink, request).await.map_err(|error| refused(link, error, makes))?;
    }
    Ok(!record.is_empty())
}

fn refused(link: &Link, error: rtnetlink::Error, makes: bool) -> QdiscError {
    if makes && is_errno(&error, libc::ENOENT) {
        return QdiscError::NoFq(link.name.clone());
    }
    NetlinkError::refused(format!("giving {} the fq qdisc", link.name))(error).into()
}

/// Undoes from here what a guardian would undo.
fn run(undo: &Undo) {
    if let Ok(socket) = Undo::socket() {
        undo.run(socket);
    }
}

/// Waits until no other krtp installs or sweeps. Held until dropped.
fn turn() -> Result<OwnedFd, QdiscError> {
    Ok(lock::take(LOCK)?)
}

/// Where an interface's record is.
struct Place(String);

impl Place {
    fn prefix() -> Result<String, QdiscError> {
        let source = |source| QdiscError::Record { path: "/proc/self/ns/net".into(), source };
        Ok(format!("{NAME}{}-", namespace_cookie().map_err(source)?))
    }

    fn of_index(index: u32) -> Result<Self, QdiscError> {
        Ok(Self(format!("{RUN}/{}{index}", Self::prefix()?)))
    }

    fn of(link: &Link) -> Result<Self, QdiscError> {
        Self::of_index(link.index)
    }

    fn exists(&self) -> bool {
        Path::new(&self.0).exists()
    }

    fn open(&self) -> Result<Record, QdiscError> {
        Record::open(&self.0).map_err(self.failed())
    }

    fn failed<E: Into<io::Error>>(&self) -> impl FnOnce(E) -> QdiscError + use<E> {
        let path = self.0.clone();
        move |error| QdiscError::Record { path, source: error.into() }
    }
}
