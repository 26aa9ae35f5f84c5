//! The context of a tc program as user space hands it to `BPF_PROG_TEST_RUN`.

use bytemuck::{Pod, Zeroable};
use std::mem::offset_of;

/// `struct __sk_buff` of `linux/bpf.h`. On the way in, the kernel takes only
/// `mark`, `priority`, `ingress_ifindex`, `ifindex`, `cb`, `tstamp`,
/// `wire_len`, `gso_segs`, `gso_size` and `hwtstamp`; all others must be zero
/// (`convert___skb_to_skb` in `net/bpf/test_run.c`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct SkBuff {
    pub len: u32,
    pub pkt_type: u32,
    pub mark: u32,
    pub queue_mapping: u32,
    pub protocol: u32,
    pub vlan_present: u32,
    pub vlan_tci: u32,
    pub vlan_proto: u32,
    pub priority: u32,
    pub ingress_ifindex: u32,
    pub ifindex: u32,
    pub tc_index: u32,
    pub cb: [u32; 5],
    pub hash: u32,
    pub tc_classid: u32,
    pub data: u32,
    pub data_end: u32,
    pub napi_id: u32,
    pub family: u32,
    pub remote_ip4: u32,
    pub local_ip4: u32,
    pub remote_ip6: [u32; 4],
    pub local_ip6: [u32; 4],
    pub remote_port: u32,
    pub local_port: u32,
    pub data_meta: u32,
    pub flow_keys: u64,
    pub tstamp: u64,
    pub wire_len: u32,
    pub gso_segs: u32,
    pub sk: u64,
    pub gso_size: u32,
    pub tstamp_type: u8,
    pub padding: [u8; 3],
    pub hwtstamp: u64,
}

const _: () = {
    assert!(size_of::<SkBuff>() == 192);
    assert!(offset_of!(SkBuff, mark) == 8);
    assert!(offset_of!(SkBuff, priority) == 32);
    assert!(offset_of!(SkBuff, cb) == 48);
    assert!(offset_of!(SkBuff, hash) == 68);
    assert!(offset_of!(SkBuff, family) == 88);
    assert!(offset_of!(SkBuff, flow_keys) == 144);
    assert!(offset_of!(SkBuff, tstamp) == 152);
    assert!(offset_of!(SkBuff, gso_segs) == 164);
    assert!(offset_of!(SkBuff, gso_size) == 176);
    assert!(offset_of!(SkBuff, hwtstamp) == 184);
};
