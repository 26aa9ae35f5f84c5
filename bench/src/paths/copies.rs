//! Copies of the payload by evidence: every row runs by itself under perf, and samples that fall into routines that
//! move payload are counted by the place of the copy.

use super::series::Lanes;
use crate::{
    devices::Namespace,
    media::{Media, PAYLOAD},
    profile::{self, Recorder, Window},
    rows::Place,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long each row is watched.
const TIME: Duration = Duration::from_millis(600);
/// Functions of a stack that are looked at: a copy and who wants it.
const DEPTH: u16 = 10;
/// Packets between two looks whether that time is over.
const PACKETS: usize = 5_000;
/// Sizes at which rows are watched. The smallest is what the others are compared with.
const SIZES: [usize; 3] = [100, PAYLOAD, 4000];

/// What was seen of a row at one size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Octets of a payload.
    pub payload: usize,
    /// All samples.
    pub samples: u32,
    /// Those of them in routines that move payload.
    pub at: BTreeMap<Place, u32>,
}

/// Of each row, from the smallest size to the largest; or why there is none.
pub type Profiles = BTreeMap<&'static str, Result<Vec<Profile>, String>>;

/// Watches every row of `lanes` while it sends payloads of those of [`SIZES`] that are among `sizes`.
pub fn take(
    lanes: &mut Lanes,
    namespace: &Namespace,
    media: &Media,
    sizes: &[usize],
) -> anyhow::Result<Profiles> {
    let recorder = Recorder::start(DEPTH)?;
    let mut profiles = Profiles::new();
    let mut windows: BTreeMap<u64, (u64, &str, Profile)> = BTreeMap::new();
    for payload in SIZES.into_iter().filter(|size| sizes.contains(size)) {
        let media = media.cut(payload)?;
        lanes.each(namespace, &media, |key, sender| {
            let mut turns = 0..;
            let mut work = || sender.send(&media, media.slice(turns.next().unwrap_or_default(), PACKETS));
            match profile::during(TIME, &mut work) {
                Ok(Window { start, end }) => {
                    windows.insert(start, (end, key, Profile { payload, ..Profile::default() }));
                }
                Err(error) => drop(profiles.insert(key, Err(format!("{error:#}")))),
            }
        });
    }
    recorder.end(|time, stack| {
        if let Some((_, (end, _, profile))) = windows.range_mut(..=time).next_back()
            && time < *end
        {
            profile.count(stack);
        }
    })?;
    for (_, (_, key, profile)) in windows {
        if let Ok(profiles) = profiles.entry(key).or_insert_with(|| Ok(Vec::new())) {
            profiles.push(profile);
        }
    }
    Ok(profiles)
}

impl Profile {
    /// One more sample.
    fn count(&mut self, stack: &[&str]) {
        self.samples += 1;
        if let Some(place) = place(stack) {
            *self.at.entry(place).or_default() += 1;
        }
    }
}

/// What a function's name says of the copy that it is in: the first line that fits some function of a stack decides.
/// Small copies that no payload is in (arguments, addresses, options) have names of their own.
const ROUTINES: &[(&str, Place)] = &[
    ("_copy_from_iter", Place::Send),
    ("skb_store_bits", Place::Send),
    ("_copy_to_iter", Place::Read),
    ("copy_page_to_iter", Place::Read),
    ("copy_folio_to_iter", Place::Read),
    // glibc's, which are told from the kernel's by what follows.
    ("__memmove_", Place::User),
    ("__memcpy_", Place::User),
    ("skb_copy_bits", Place::Stack),
    ("skb_copy_ubufs", Place::Stack),
    ("skb_copy_and_csum", Place::Stack),
    ("memcpy", Place::Stack),
    ("memmove", Place::Stack),
];
/// What krtp's program calls: what is copied below it are headers, and eight octets of payload.
const HELPER: &str = "bpf_skb_";
/// What gives each fragment of a packet its IP header, and copies nothing else.
const FRAGMENT: &str = "ip_fraglist_prepare";

/// Which copy a stack stands in, if it does.
fn place(stack: &[&str]) -> Option<Place> {
    let named = |sign: &str| stack.iter().any(|name| name.contains(sign));
    if named(FRAGMENT) {
        return None;
    }
    let (_, place) = ROUTINES.iter().find(|(sign, _)| named(sign))?;
    Some(if *place == Place::Stack && named(HELPER) { Place::Program } else { *place })
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::rows::Place;
    use std::collections::BTreeMap;

    #[test]
    fn copies_are_told_from_what_is_named_likewise() {
        for (stack, expected) in [
            (&["_copy_to_iter", "copy_page_to_iter", "filemap_read", "vfs_read"][..], Some(Place::Read)),
            (&["rep_movs_alternative", "_copy_from_iter", "ip_generic_getfrag"], Some(Place::Send)),
            (
                &["csum_partial_copy_generic", "csum_and_copy_from_iter_full", "udp_sendmsg"],
                Some(Place::Send),
            ),
            (&["__pi_memcpy", "skb_store_bits", "__xsk_generic_xmit"], Some(Place::Send)),
            (&["__pi_memcpy", "skb_segment", "__udp_gso_segment"], Some(Place::Stack)),
            (
                &["__pi_memcpy", "skb_copy_bits", "bpf_skb_pull_data", "bpf_prog_1_krtp_flow"],
                Some(Place::Program),
            ),
            (&["__memmove_avx512_unaligned_erms", "[unknown]"], Some(Place::User)),
            (&["bpf_skb_adjust_room", "bpf_prog_1_krtp_flow"], None),
            (&["csum_partial", "skb_splice_from_iter", "udp_sendmsg"], None),
            (&["copy_from_kernel_nofault", "udp_send_skb"], None),
            (&["_copy_from_user", "udp_lib_setsockopt"], None),
            (&["copy_iovec_from_user", "__import_iovec"], None),
            (&["__copy_skb_header", "skb_segment"], None),
            (&["__pi_memcpy", "ip_fraglist_prepare", "ip_do_fragment"], None),
            (&["__pi_memcpy", "skb_copy_bits", "ip_frag_next", "ip_do_fragment"], Some(Place::Stack)),
            (&["zerocopy_fill_skb_from_iter", "__zerocopy_sg_from_iter"], None),
            (&["__msg_zerocopy_callback", "skb_release_data"], None),
        ] {
            let at = expected.map(|place| (place, 1)).into_iter().collect::<BTreeMap<_, _>>();
            let mut profile = Profile::default();
            profile.count(stack);
            assert_eq!(profile, Profile { samples: 1, at, ..Profile::default() }, "{stack:?}");
        }
    }
}
