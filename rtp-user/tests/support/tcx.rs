//! Another program on the interface: it counts what passes it.

use super::{Namespace, hook};
use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

// Commands of bpf(2) and the constants they take (linux/bpf.h).
const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const LINK_CREATE: libc::c_long = 28;
const MAP_TYPE_ARRAY: u32 = 2;
const PROG_TYPE_SCHED_CLS: u32 = 3;
/// `BPF_TCX_EGRESS`: Linux 6.6, commit e420bed02507.
const TCX_EGRESS: u32 = 47;

/// What passed the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Anything else.
    pub other: u64,
    /// Packets with an RTP header behind Ethernet, IPv4 and UDP, as octet 42 says.
    pub rtp: u64,
    /// Packets that still carry krtp's mark.
    pub marked: u64,
}

/// A counting program at the end of the line of an interface's egress, until
/// it is dropped.
#[derive(Debug)]
pub struct Counter {
    map: OwnedFd,
    _program: OwnedFd,
    /// Of a kernel with tcx. A filter of clsact goes with its interface.
    _link: Option<OwnedFd>,
}

impl Counter {
    /// Attaches one to `interface`.
    #[track_caller]
    pub fn attach(namespace: &Namespace, interface: &str) -> Self {
        let map = create_map().expect("a map of three numbers");
        let program = load(&map).expect("a program of ours");
        let link = if hook() == "tcx" {
            let index = namespace.index_of(interface);
            // program, interface, attach type
            let attributes = [program.as_raw_fd().cast_unsigned(), index, TCX_EGRESS];
            let link = namespace.inside(|| bpf(LINK_CREATE, &attributes));
            Some(link.expect("tcx, which Linux has since 6.6"))
        } else {
            add_filter(namespace, interface, &program);
            None
        };
        Self { map, _program: program, _link: link }
    }

    /// What it counted so far.
    pub fn counts(&self) -> Counts {
        let count = |key: u32| {
            let mut value = 0u64;
            let [key, out] = [(&raw const key) as u64, (&raw mut value) as u64];
            let mut attributes = [0u64; 4];
            attributes[0] = u64::from(self.map.as_raw_fd().cast_unsigned());
            (attributes[1], attributes[2]) = (key, out);
            // SAFETY: key and value live for the call and have the map's sizes.
            let answer =
                unsafe { call(MAP_LOOKUP_ELEM, attributes.as_ptr().cast(), size_of_val(&attributes)) };
            answer.expect("an entry of an array");
            value
        };
        Counts { other: count(0), rtp: count(1), marked: count(2) }
    }
}

/// Makes the program a filter of the clsact qdisc, behind all filters there are. tc takes it from a pin.
#[track_caller]
fn add_filter(namespace: &Namespace, interface: &str, program: &OwnedFd) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let pin = PathBuf::from(format!("/sys/fs/bpf/krtp-test-{}-{number}", std::process::id()));
    pin_to(program, &pin).unwrap_or_else(|error| panic!("{} (is it mounted?): {error}", pin.display()));
    if !namespace.run("tc", &["qdisc", "show", "dev", interface]).contains("clsact") {
        namespace.run("tc", &["qdisc", "add", "dev", interface, "clsact"]);
    }
    let last = (60_000 + number).to_string();
    let filter = ["filter", "add", "dev", interface, "egress", "pref", &last, "bpf", "direct-action"];
    namespace
        .run("tc", &[&filter[..], &["object-pinned", pin.to_str().expect("a path of letters")]].concat());
    fs::remove_file(&pin).expect("ours");
}

fn pin_to(program: &OwnedFd, pin: &std::path::Path) -> io::Result<()> {
    let path = CString::new(pin.to_str().expect("a path of letters")).expect("no zero in it");
    let attributes = [path.as_ptr() as u64, u64::from(program.as_raw_fd().cast_unsigned())];
    // SAFETY: the path lives for the call.
    unsafe { call(OBJ_PIN, attributes.as_ptr().cast(), size_of_val(&attributes)) }.map(drop)
}

fn create_map() -> io::Result<OwnedFd> {
    // type, octets of a key, of a value, entries
    bpf(MAP_CREATE, &[MAP_TYPE_ARRAY, 4, 8, 3])
}

/// One instruction (Documentation/bpf/standardization/instruction-set.rst).
const fn instruction(code: u8, destination: u8, source: u8, offset: i16, value: i32) -> u64 {
    (code as u64)
        | ((destination as u64) << 8)
        | ((source as u64) << 12)
        | ((offset.cast_unsigned() as u64) << 16)
        | ((value.cast_unsigned() as u64) << 32)
}

fn load(map: &OwnedFd) -> io::Result<OwnedFd> {
    let program = [
        instruction(0xbf, 6, 1, 0, 0),               // r6 = the packet
        instruction(0x30, 0, 0, 0, 42),              // r0 = its octet 42
        instruction(0xb7, 8, 0, 0, 0),               // r8 = 0: other
        instruction(0x55, 0, 0, 1, 0x80),            // skip one unless r0 is version 2
        instruction(0xb7, 8, 0, 0, 1),               // r8 = 1: RTP
        instruction(0x61, 1, 6, 32, 0),              // r1 = its priority
        instruction(0x77, 1, 0, 0, 24),              // r1 >>= 24
        instruction(0x55, 1, 0, 1, 0xa5),            // skip one unless r1 is krtp's mark
        instruction(0xb7, 8, 0, 0, 2),               // r8 = 2: marked
        instruction(0x63, 10, 8, -4, 0),             // the key, on the stack
        instruction(0xbf, 2, 10, 0, 0),              // r2 = the stack
        instruction(0x07, 2, 0, 0, -4),              // r2 = the key
        instruction(0x18, 1, 1, 0, map.as_raw_fd()), // r1 = the map
        0,                                           // its other half
        instruction(0x85, 0, 0, 0, 1),               // r0 = map_lookup_elem(r1, r2)
        instruction(0x15, 0, 0, 2, 0),               // skip two if there is none
        instruction(0xb7, 1, 0, 0, 1),               // r1 = 1
        instruction(0xdb, 0, 1, 0, 0),               // *r0 += r1, atomically
        instruction(0xb7, 0, 0, 0, -1),              // r0 = TCX_NEXT
        instruction(0x95, 0, 0, 0, 0),               // return r0
    ];
    let mut attributes = [0u64; 5];
    attributes[0] = u64::from(PROG_TYPE_SCHED_CLS) | ((program.len() as u64) << 32);
    (attributes[1], attributes[2]) = (program.as_ptr() as u64, c"GPL".as_ptr() as u64);
    // SAFETY: program and licence live for the call.
    let descriptor = unsafe { call(PROG_LOAD, attributes.as_ptr().cast(), size_of_val(&attributes)) }?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// bpf(2) with attributes that are all numbers of 32 bits, which makes a descriptor.
fn bpf(command: libc::c_long, attributes: &[u32]) -> io::Result<OwnedFd> {
    // The structures are aligned to eight octets.
    let mut aligned = [0u64; 8];
    for (number, value) in attributes.iter().enumerate() {
        aligned[number / 2] |= u64::from(*value) << (32 * (number % 2));
    }
    // SAFETY: no pointers among the attributes.
    let descriptor = unsafe { call(command, aligned.as_ptr().cast(), size_of_val(&aligned)) }?;
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// bpf(2).
///
/// # Safety
///
/// `attributes` are `length` octets that `command` takes, and the pointers in
/// them are valid.
unsafe fn call(command: libc::c_long, attributes: *const u8, length: usize) -> io::Result<i32> {
    // SAFETY: as the caller says.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, length) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as i32) }
}
