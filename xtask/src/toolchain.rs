//! The toolchain that builds the object: Debian's rustc and cargo, LLVM's tools, bpf-linker; and what lint needs of
//! rustup's.

use crate::{
    places,
    process::{self, cargo},
};
use anyhow::{Context, Result, bail};
use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Debian's compiler. A rustup toolchain will not do: the object has to be the same for everyone, byte for byte.
pub const RUSTC: &str = "/usr/bin/rustc";
/// Debian's cargo.
pub const CARGO: &str = "/usr/bin/cargo";
/// Debian's clippy.
pub const CARGO_CLIPPY: &str = "/usr/bin/cargo-clippy";

const LLVM: &str = "/usr/lib/llvm-22";
const LLVM_MAJOR: &str = "22";
const LINKER: &str = "bpf-linker";
const LINKER_VERSION: &str = "0.13.0";

/// What there is, by version. Shown, it is what the committed object's record says.
#[derive(Debug)]
pub struct Toolchain {
    /// The directory that holds bpf-linker.
    pub linker_directory: PathBuf,
    rustc: String,
    llvm: String,
}

impl Toolchain {
    /// Checks versions, and builds bpf-linker when there is none that fits.
    pub fn ensure() -> Result<Self> {
        let version = process::output(Command::new(RUSTC).arg("-vV"))?;
        let rustc =
            version.lines().next().unwrap_or_default().trim_end_matches(" (built from a source tarball)");
        let major = field(&version, "LLVM version: ")?.split('.').next();
        if major != Some(LLVM_MAJOR) {
            bail!(
                "the object is built with LLVM {LLVM_MAJOR}, but {RUSTC} is {rustc} with LLVM {major:?}: install Debian's rustc-web 1.96"
            );
        }
        let llvm = process::output(Command::new(format!("{LLVM}/bin/llvm-config")).arg("--version"))?;
        Ok(Self {
            linker_directory: linker_directory()?,
            rustc: rustc.trim_start_matches("rustc ").to_owned(),
            llvm: llvm.trim().to_owned(),
        })
    }

    /// LLVM's tool `name`.
    pub fn llvm_tool(name: &str) -> String {
        format!("{LLVM}/bin/{name}")
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {}, LLVM {}, bpf-linker {LINKER_VERSION}", self.rustc, self.llvm)
    }
}

/// rustfmt and clippy of rustup's toolchain, which a minimal profile lacks.
pub fn ensure_components() -> Result<()> {
    let there = |name: &str| {
        let mut ask = cargo();
        ask.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        ask.status().is_ok_and(|status| status.success())
    };
    if there("fmt") && there("clippy") {
        return Ok(());
    }
    let rustup =
        places::on_path("rustup").context("rustfmt and clippy are missing, and there is no rustup")?;
    println!("setup: rustup adds rustfmt and clippy");
    process::run(Command::new(rustup).args(["component", "add", "rustfmt", "clippy"]))
}

fn field<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.with_context(|| format!("`{RUSTC} -vV` does not say {name:?}"))
}

/// Where a fitting bpf-linker is: in our target directory, on the path, or in our target directory from now on. The
/// user's own in `~/.cargo/bin` is never replaced.
fn linker_directory() -> Result<PathBuf> {
    let ours = places::target()?.join("tools");
    let bin = ours.join("bin");
    if fits(&bin.join(LINKER)) {
        return Ok(bin);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(found) = env::split_paths(&path).find(|directory| fits(&directory.join(LINKER))) {
        return Ok(found);
    }
    println!("setup: building {LINKER} {LINKER_VERSION} into {}; once, about a minute", places::shown(&bin));
    let mut install = cargo();
    install.args([
        "install",
        LINKER,
        "--version",
        LINKER_VERSION,
        "--locked",
        "--quiet",
        "--force",
        "--root",
    ]);
    install.arg(&ours).args(["--no-default-features", "--features", &format!("llvm-{LLVM_MAJOR}")]);
    process::run(install.env("LLVM_PREFIX", LLVM).env_remove("CARGO_TARGET_DIR"))?;
    if !fits(&bin.join(LINKER)) {
        bail!(
            "{} was built, but is not version {LINKER_VERSION} on LLVM {LLVM_MAJOR}",
            bin.join(LINKER).display()
        );
    }
    Ok(bin)
}

/// The right version, and linked to the right LLVM: one that carries another LLVM cannot read rustc's bitcode.
fn fits(linker: &Path) -> bool {
    let version = || process::output(Command::new(linker).arg("--version"));
    let soname = format!("libLLVM.so.{LLVM_MAJOR}");
    linker.is_file()
        && version().is_ok_and(|said| said.trim().ends_with(LINKER_VERSION))
        && fs::read(linker).is_ok_and(|bytes| bytes.windows(soname.len()).any(|w| w == soname.as_bytes()))
}
