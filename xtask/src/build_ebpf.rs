//! `build-ebpf`: the object from source, the same bytes on every machine.

use crate::{
    hash::{hexadecimal, sha256},
    places, process, rustc,
    setup::{self, Group},
    toolchain::{self, Toolchain},
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// `build-ebpf`'s arguments.
#[derive(clap::Args)]
pub struct Options {
    /// Change nothing; fail when the committed object is not what the source builds
    #[arg(long)]
    check: bool,
}

/// The binaries of `rtp-ebpf`: the program that sends, and the one that watches.
const BINARIES: &[&str] = &["krtp", "krtp-watch"];
/// Where their objects lie, each with its record beside it.
const DIRECTORY: &str = "rtp-user/object";

/// BTF is made from the profile's debug information; v3 has the atomics and 32-bit jumps of Linux 5.12 and later.
const FLAGS: &[&str] = &["-Ctarget-cpu=v3", "-Clinker=bpf-linker", "-Clink-arg=--btf"];

/// One object, as it lies in the repository and as it was built.
struct Object {
    /// Its path in the repository.
    path: String,
    bytes: Vec<u8>,
    /// What stands beside it.
    record: String,
}

/// Builds, then installs or compares.
pub fn run(options: &Options) -> Result<()> {
    setup::ensure(&[Group::Object])?;
    let toolchain = Toolchain::ensure()?;
    println!("Building the objects from source …");
    build(&toolchain)?;
    for binary in BINARIES {
        let object = Object::read(&strip(binary)?, binary, &toolchain)?;
        if options.check { object.compare()? } else { object.install()? }
    }
    Ok(())
}

/// Builds every binary.
fn build(toolchain: &Toolchain) -> Result<()> {
    let mut cargo = command(toolchain, toolchain::CARGO)?;
    process::run(cargo.args(["build", "--release", "--locked", "--quiet"]).args(BPF_TARGET))
}

/// Strips a binary; says where the object is.
fn strip(binary: &str) -> Result<PathBuf> {
    let target = places::target()?.join("ebpf");
    let linked = target.join("bpfel-unknown-none/release").join(binary);
    let object = target.join(format!("{binary}.bpf.o"));
    // DWARF is five sixths of the object, and nobody reads it: the kernel and bpftool read BTF, which stays.
    let objcopy = Toolchain::llvm_tool("llvm-objcopy");
    process::run(Command::new(objcopy).arg("--strip-debug").args([&linked, &object]))?;
    Ok(object)
}

/// There is no prepared `core` for the target.
pub const BPF_TARGET: &[&str] = &["--target", "bpfel-unknown-none", "-Zbuild-std=core"];

/// Debian's cargo, or a program that calls it, in `rtp-ebpf/`, free of the settings of the cargo that runs us.
pub fn command(toolchain: &Toolchain, program: &str) -> Result<Command> {
    let mut path = std::ffi::OsString::from(&toolchain.linker_directory);
    path.push(":/usr/bin:/bin");
    let mut cargo = Command::new(program);
    for (name, _) in env::vars_os() {
        if is_foreign(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(places::root().join("rtp-ebpf"));
    cargo.env("PATH", path).env("RUSTC", toolchain::RUSTC).env("CARGO", toolchain::CARGO);
    cargo.env("RUSTC_BOOTSTRAP", "1"); // -Z build-std and the BPF target are not stable
    // aya takes the building machine's architecture for the kernel's. Only probes of functions differ by it.
    cargo.env("AYA_BPF_TARGET_ARCH", "x86_64");
    cargo.env("RUSTC_WRAPPER", env::current_exe()?).env(rustc::WRAPPER, "1");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    cargo.env("CARGO_TARGET_DIR", places::target()?.join("ebpf"));
    Ok(cargo)
}

/// Whether an environment variable would steer the build: those of rustup and of the cargo that runs us. How to
/// reach the registry stays the user's.
fn is_foreign(name: &str) -> bool {
    let registry = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    let kept = registry.iter().any(|prefix| name.starts_with(prefix));
    (name.starts_with("CARGO") && !kept)
        || name.starts_with("RUST")
        || name.starts_with("AYA_")
        || name == "LD_LIBRARY_PATH"
}

impl Object {
    fn read(built: &Path, binary: &str, toolchain: &Toolchain) -> Result<Self> {
        let bytes = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
        let record = record(&bytes, toolchain);
        Ok(Self { path: format!("{DIRECTORY}/{binary}.bpf.o"), bytes, record })
    }

    /// Where what was built is recorded.
    fn record_path(&self) -> String {
        format!("{}.txt", self.path)
    }

    fn install(&self) -> Result<()> {
        let (object, beside) = (places::root().join(&self.path), places::root().join(self.record_path()));
        // An unchanged file keeps its time, so that krtp is not built again for nothing.
        let unchanged = fs::read(&object).is_ok_and(|old| old == self.bytes);
        if !unchanged {
            write(&object, &self.bytes)?;
        }
        if !unchanged || !beside.exists() {
            write(&beside, self.record.as_bytes())?;
        }
        print!("{}: {}\n{}", self.path, if unchanged { "unchanged" } else { "written" }, self.record);
        Ok(())
    }

    fn compare(&self) -> Result<()> {
        let path = &self.path;
        let committed = fs::read(places::root().join(path)).with_context(|| format!("cannot read {path}"))?;
        if committed == self.bytes {
            print!("{path} is what the source builds\n{}", self.record);
            return Ok(());
        }
        let beside = fs::read_to_string(places::root().join(self.record_path()));
        let builder = beside.as_deref().ok().and_then(|text| text.lines().nth(1));
        bail!(
            "{path} is not what the source builds\n\
             committed:  {}\n            {}\n\
             built here: {}\n\
             Run `cargo xtask build-ebpf` and commit {DIRECTORY}/ together with the change.",
            summary(&committed),
            builder.unwrap_or("built by nobody knows what: there is no record beside it"),
            self.record.trim_end().replace('\n', "\n            "),
        )
    }
}

/// Whole or not at all: another build may be embedding the file at this moment.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn summary(bytes: &[u8]) -> String {
    format!("{} octets, SHA-256 {}", bytes.len(), hexadecimal(&sha256(bytes)))
}

/// What stands beside the object: what it is, and on the second line what built it.
fn record(bytes: &[u8], toolchain: &Toolchain) -> String {
    format!("{}\nbuilt by {toolchain}\n", summary(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_the_registry_is_kept() {
        for (name, foreign) in [
            ("CARGO_HOME", false),
            ("CARGO_NET_OFFLINE", false),
            ("CARGO_REGISTRIES_CRATES_IO_PROTOCOL", false),
            ("HTTPS_PROXY", false),
            ("CARGO", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_PROFILE_RELEASE_DEBUG", true),
            ("RUSTFLAGS", true),
            ("RUSTUP_TOOLCHAIN", true),
            ("RUSTC_WRAPPER", true),
        ] {
            assert_eq!(is_foreign(name), foreign, "{name}");
        }
    }
}
