//! Between cargo and rustc while the object is built: takes this machine's paths out of what rustc is told.
//!
//! cargo calls the wrapper as `xtask rustc ARGUMENTS` for every crate (`RUSTC_WRAPPER`). Two things would otherwise
//! make two people's objects differ:
//! - file names in line information and panic messages, which `--remap-path-prefix` shortens to `crate/src/…`;
//! - `-C metadata`, from which rustc derives symbol names: cargo hashes the absolute path of a path dependency that
//!   lies outside of the dependent's workspace, as rtp-common does.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// Set for the build of the object, and only there.
pub const WRAPPER: &str = "KRTP_RUSTC_WRAPPER";

/// Crates of ours that are built for the object.
const OURS: &[&str] = &["rtp-common", "rtp-ebpf"];

/// Becomes rustc when called as cargo's wrapper; `None` when called as `cargo xtask`.
pub fn as_wrapper() -> Option<ExitCode> {
    env::var_os(WRAPPER)?;
    let mut words = env::args_os().skip(1);
    let Some(rustc) = words.next() else {
        eprintln!("error: {WRAPPER} is set, but no rustc is named");
        return Some(ExitCode::FAILURE);
    };
    let error = Command::new(&rustc).args(arguments(words.collect(), Package::compiled().as_ref())).exec();
    eprintln!("error: cannot run {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

/// What cargo says of the package that is being compiled.
struct Package {
    directory: OsString,
    name: String,
    version: String,
}

impl Package {
    /// `None` when cargo only asks rustc for its version or its configuration.
    fn compiled() -> Option<Self> {
        Some(Self {
            directory: env::var_os("CARGO_MANIFEST_DIR")?,
            name: env::var("CARGO_PKG_NAME").ok()?,
            version: env::var("CARGO_PKG_VERSION").ok()?,
        })
    }
}

/// What rustc is told, the machine's paths taken out.
fn arguments(mut words: Vec<OsString>, package: Option<&Package>) -> Vec<OsString> {
    let Some(Package { directory, name, version }) = package else { return words };
    let mut remap = OsString::from("--remap-path-prefix=");
    remap.push(directory);
    if OURS.contains(&name.as_str()) {
        remap.push(format!("={name}")); // without the version: a release is no other object
        for word in &mut words {
            if word.as_encoded_bytes().starts_with(b"metadata=") {
                *word = format!("metadata={name}").into();
            }
        }
    } else {
        remap.push(format!("={name}-{version}"));
    }
    words.push(remap);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Vec<OsString> {
        let words = ["--crate-name", "x", "-C", "metadata=0123456789abcdef", "-C", "extra-filename=-0123"];
        let package = Package {
            directory: "/somewhere/of mine".into(),
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
        };
        arguments(words.iter().map(OsString::from).collect(), Some(&package))
    }

    #[test]
    fn our_crates_get_the_same_symbols_everywhere() {
        assert_eq!(told("rtp-common")[3], "metadata=rtp-common");
        assert_eq!(told("rtp-common")[5], "extra-filename=-0123");
        assert_eq!(told("aya-ebpf")[3], "metadata=0123456789abcdef");
    }

    #[test]
    fn every_crate_loses_its_directory() {
        assert_eq!(told("rtp-ebpf").last().unwrap(), "--remap-path-prefix=/somewhere/of mine=rtp-ebpf");
        assert_eq!(told("core").last().unwrap(), "--remap-path-prefix=/somewhere/of mine=core-1.2.3");
    }

    #[test]
    fn questions_pass_unchanged() {
        assert_eq!(arguments(vec!["-vV".into()], None), ["-vV"]);
    }
}
