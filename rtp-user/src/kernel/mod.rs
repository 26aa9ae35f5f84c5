//! The kernel side: the object, its maps, the segmenter, and what is left of
//! them on the host (nothing, unless it was pinned on purpose).

pub mod attach;
pub mod bpffs;
pub(crate) mod guard;
pub mod hang;
pub(crate) mod life;
pub mod lock;
pub mod maps;
pub mod object;
pub mod pin_error;
pub mod pins;
pub mod qdisc;
pub(crate) mod record;
pub mod segmenter;
pub(crate) mod undo;

use aya::util::KernelVersion;

/// The oldest kernel whose helpers do what the program relies on: in
/// `bpf_skb_adjust_room`, commit 54c3f1a81421 (v6.2, in 6.1.y).
pub const OLDEST: KernelVersion = KernelVersion::new(6, 1, 0);

/// The kernel is older than [`OLDEST`].
#[derive(Debug, thiserror::Error)]
#[error("Linux {0} is too old for the kernel engine, which needs 6.1 or newer: update the kernel")]
pub struct TooOld(String);

/// Whether this kernel is new enough.
pub fn check_version() -> Result<(), TooOld> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    check(KernelVersion::current().ok(), release)
}

/// A kernel that does not say its version gets a try.
fn check(version: Option<KernelVersion>, release: String) -> Result<(), TooOld> {
    match version {
        Some(version) if version < OLDEST => Err(TooOld(release)),
        _ => Ok(()),
    }
}

/// Whether `sendfile` hands pages to `sendmsg` (`MSG_SPLICE_PAGES`, since 6.5).
pub fn splices_pages() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 5, 0))
}

#[cfg(test)]
mod tests {
    use super::check;
    use aya::util::KernelVersion;

    #[test]
    fn an_old_kernel_is_refused_by_its_name() {
        let error =
            check(Some(KernelVersion::new(5, 15, 0)), "5.15.0-91-generic".into()).expect_err("too old");
        assert!(error.to_string().contains("5.15.0-91-generic"), "{error}");
        assert!(check(Some(KernelVersion::new(6, 1, 0)), String::new()).is_ok());
        assert!(check(None, String::new()).is_ok());
    }
}
