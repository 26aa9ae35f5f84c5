//! Debian's packages: which are missing, and getting them.

use crate::{places, process};
use anyhow::{Result, bail};
use std::{path::Path, process::Command};

/// Something that a chore needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The Debian package that has it.
    pub package: &'static str,
    /// A command or file by which it is recognised where packages have other names.
    pub sign: &'static str,
}

/// Installs what is missing of `needs`; quick, and without apt, when nothing is.
pub fn ensure(purpose: &str, needs: &[Need]) -> Result<()> {
    if places::on_path("dpkg-query").is_none() || places::on_path("apt-get").is_none() {
        return without_apt(purpose, needs);
    }
    let missing = not_installed(needs, &known_to_dpkg(needs)?);
    if missing.is_empty() {
        return Ok(());
    }
    println!("setup: {purpose}: apt-get installs {}", missing.join(" "));
    update();
    refuse_unknown(purpose, &missing)?;
    process::output(apt_get(INSTALL)?.arg("-qq").args(&missing))?;
    Ok(())
}

/// Brings apt's lists up to date. One that cannot be fetched (a third party's, say) matters only if a package is then
/// not found.
pub fn update() {
    if let Err(error) = apt_get(&["update"]).and_then(|mut update| process::output(update.arg("-qq"))) {
        eprintln!("warning: {error:#}");
    }
}

/// Nothing is removed in exchange: some of these packages conflict with Debian's own `rustup` and `rustc`.
const INSTALL: &[&str] = &["install", "--yes", "--no-install-recommends", "--no-remove"];

fn apt_get(arguments: &[&str]) -> Result<Command> {
    let mut command = process::as_root("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-o", "DPkg::Lock::Timeout=300"]);
    command.args(arguments);
    Ok(command)
}

/// One line per package that dpkg knows: name and state.
fn known_to_dpkg(needs: &[Need]) -> Result<String> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Abbrev}\n"]);
    query.args(needs.iter().map(|need| need.package));
    // It fails when one of them is unknown, and still lists the others.
    Ok(String::from_utf8_lossy(&query.output()?.stdout).into_owned())
}

fn not_installed(needs: &[Need], known: &str) -> Vec<&'static str> {
    // Two letters: what is wanted of the package (a hold, for one), and what is.
    let is_installed = |(_, state): (&str, &str)| state.as_bytes().get(1) == Some(&b'i');
    let installed = |package: &str| {
        let mut lines = known.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == package).is_some_and(is_installed)
    };
    needs.iter().map(|need| need.package).filter(|package| !installed(package)).collect()
}

/// Says in one line which packages this system's lists do not have.
fn refuse_unknown(purpose: &str, missing: &[&str]) -> Result<()> {
    let trial = apt_get(&["--simulate"])?.args(INSTALL).args(missing).output()?;
    if trial.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&trial.stderr);
    let unknown = unknown_packages(&said);
    if unknown.is_empty() {
        bail!("{purpose}: apt-get cannot install {}: {}", missing.join(" "), said.trim());
    }
    bail!(
        "{purpose}: this system's package lists lack {} (Debian 12 with its security updates has them)",
        unknown.join(" ")
    );
}

fn unknown_packages(said: &str) -> Vec<&str> {
    let name = |line| -> Option<&str> {
        let line = str::strip_prefix(line, "E: ")?;
        let unheard_of = line.strip_prefix("Unable to locate package ");
        unheard_of.or_else(|| line.strip_prefix("Package '")?.strip_suffix("' has no installation candidate"))
    };
    said.lines().filter_map(name).collect()
}

/// Without apt we install nothing, and say what to install.
fn without_apt(purpose: &str, needs: &[Need]) -> Result<()> {
    let there = |need: &&Need| Path::new(need.sign).exists() || places::on_path(need.sign).is_some();
    let missing: Vec<_> = needs.iter().filter(|need| !there(need)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "{purpose}: there is no apt here, so install yourself what Debian packages as {}",
        missing.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: &[Need] = &[
        Need { package: "iproute2", sign: "ip" },
        Need { package: "tshark", sign: "tshark" },
        Need { package: "gcc", sign: "gcc" },
    ];

    #[test]
    fn removed_and_unknown_packages_are_missing() {
        assert_eq!(not_installed(NEEDS, "iproute2 ii \ntshark rc \n"), ["tshark", "gcc"]);
        assert_eq!(not_installed(NEEDS, "iproute2 ii \ntshark hi \ngcc ii \n"), [""; 0]);
    }

    #[test]
    fn apt_names_what_it_lacks() {
        let said = "E: Unable to locate package rustc-web\n\
                    E: Package 'cargo-web' has no installation candidate\n\
                    E: Some index files failed to download\n";
        assert_eq!(unknown_packages(said), ["rustc-web", "cargo-web"]);
    }

    #[test]
    fn a_sign_may_be_a_command_or_a_file() {
        let there = [Need { package: "a", sign: "sh" }, Need { package: "b", sign: "/proc/self/exe" }];
        assert!(without_apt("this test", &there).is_ok());
        let error = without_apt("this test", &[Need { package: "c", sign: "/nonexistent" }]).unwrap_err();
        assert!(error.to_string().contains("packages as c"), "{error}");
    }
}
