//! `setup`: what the other commands need, installed once.

use crate::{
    packages::{self, Need},
    toolchain::{self, Toolchain},
};
use anyhow::Result;

/// `setup`'s arguments.
#[derive(clap::Args)]
pub struct Options {
    /// What to set up; all when none is named
    #[arg(value_name = "GROUP")]
    groups: Vec<Group>,
}

/// What belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    /// iproute2, for the demo's network namespaces
    Demo,
    /// Building the eBPF object: Debian's rustc with its library's source, LLVM, bpf-linker
    Object,
    /// rustfmt and clippy, for both toolchains
    Lint,
    /// What tests watch, receive and decode with
    Test,
    /// QEMU, and what unpacks Debian's kernels for it
    Kernels,
    /// Senders that the bench compares krtp with, beside those of the tests, and what counts system calls
    Bench,
    /// VLC, which only `bench peers` runs
    Peers,
}

const DEMO: &[Need] = &[need("iproute2", "ip")];

/// Debian's `rustc-web` follows Rust's releases closely and comes with the source of `core`, which the BPF target is
/// built from. bpf-linker has to speak the very LLVM that this rustc speaks.
const OBJECT: &[Need] = &[
    need("rustc-web", "/usr/lib/rustlib/src/rust/library/core"),
    need("cargo-web", "/usr/bin/cargo"),
    need("rust-web-src", "/usr/lib/rustlib/src/rust/library/core"),
    need("llvm-22-dev", "/usr/lib/llvm-22/bin/llvm-config"),
    need("libpolly-22-dev", "/usr/lib/llvm-22/lib/libPolly.a"),
    need("libzstd-dev", "/usr/include/zstd.h"),
    need("zlib1g-dev", "/usr/include/zlib.h"),
    need("libxml2-dev", "/usr/include/libxml2"),
    need("gcc", "gcc"),
    need("g++", "g++"),
];

const LINT: &[Need] = &[need("rust-web-clippy", "/usr/bin/cargo-clippy")];

const TEST: &[Need] = &[
    need("iproute2", "ip"),
    need("ethtool", "ethtool"),
    need("tcpdump", "tcpdump"),
    need("tshark", "tshark"),
    need("bpftool", "bpftool"),
    need("strace", "strace"),
    need("tmux", "tmux"),
    need("ffmpeg", "ffmpeg"),
    need("gstreamer1.0-tools", "gst-launch-1.0"),
    need("gstreamer1.0-plugins-base", "gst-launch-1.0"),
    need("gstreamer1.0-plugins-good", "gst-launch-1.0"),
    need("gstreamer1.0-plugins-bad", "gst-launch-1.0"),
    need("gstreamer1.0-libav", "gst-launch-1.0"),
];

/// Kernels and busybox are fetched and unpacked, not installed: `kernels/debian.rs`.
const KERNELS: &[Need] = &[
    need("qemu-system-x86", "qemu-system-x86_64"),
    need("qemu-system-common", "/usr/lib/qemu/virtiofsd"),
    need("kmod", "/sbin/depmod"),
    need("xz-utils", "xz"),
];

const PEERS: &[Need] =
    &[need("vlc-bin", "cvlc"), need("vlc-plugin-base", "cvlc"), need("util-linux", "setpriv")];

const BENCH: &[Need] = &[need("multicat", "multicat"), need("strace", "strace"), need("linux-perf", "perf")];

const fn need(package: &'static str, sign: &'static str) -> Need {
    Need { package, sign }
}

/// Sets up, and says so.
pub fn run(options: &Options) -> Result<()> {
    let all =
        [Group::Demo, Group::Object, Group::Lint, Group::Test, Group::Kernels, Group::Bench, Group::Peers];
    let groups = if options.groups.is_empty() { &all[..] } else { &options.groups };
    ensure(groups)?;
    println!("setup: all is there");
    Ok(())
}

/// Sets up; silent when all is there.
pub fn ensure(groups: &[Group]) -> Result<()> {
    for group in groups {
        match group {
            Group::Demo => packages::ensure("demo", DEMO)?,
            Group::Object => {
                packages::ensure("object", OBJECT)?;
                Toolchain::ensure()?;
            }
            Group::Lint => {
                packages::ensure("lint", LINT)?;
                toolchain::ensure_components()?;
            }
            Group::Test => packages::ensure("test", TEST)?,
            Group::Kernels => packages::ensure("kernels", KERNELS)?,
            Group::Bench => packages::ensure("bench", BENCH)?,
            Group::Peers => packages::ensure("peers", PEERS)?,
        }
    }
    Ok(())
}
