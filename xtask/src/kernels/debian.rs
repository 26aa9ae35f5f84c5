//! Debian's kernel packages: the newest of a series, fetched and unpacked, not installed.

use super::Series;
use crate::{packages, places, process};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A kernel, unpacked.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Which of the matrix.
    pub series: Series,
    /// Package and version, as Debian writes them: `linux-image-6.1.0-56-cloud-amd64 6.1.192-2`.
    pub package: String,
    /// What `uname -r` says: `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// The package's files.
    pub files: PathBuf,
}

impl Kernel {
    /// The newest of `series` that apt's lists have; fetched once.
    pub fn fetch(series: Series) -> Result<Self> {
        let prefix = format!("linux-image-{}.", series.name());
        let package = newest(&known(&prefix)?, &prefix).with_context(|| {
            format!("apt's lists have no {prefix}*{FLAVOUR} (Debian 12 with its security updates has)")
        })?;
        let files = unpacked(&package)?;
        let release = package.trim_start_matches("linux-image-").to_owned();
        // Debian makes this list when it installs; we do not install.
        let list = files.join("lib/modules").join(&release).join("modules.dep");
        if !list.exists() {
            process::output(Command::new("/sbin/depmod").arg("-b").arg(&files).arg(&release))?;
        }
        let version = version_of(&files)?;
        Ok(Self { series, package: format!("{package} {version}"), release, files })
    }

    /// The bootable image.
    pub fn image(&self) -> PathBuf {
        self.files.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// Its modules, as `/lib/modules` is to hold them.
    pub fn modules(&self) -> PathBuf {
        self.files.join("lib/modules")
    }

    /// The files of `module` and of what it needs, in the order of loading. None of a module that is built in.
    pub fn module(&self, module: &str) -> Result<Vec<PathBuf>> {
        let mut modprobe = Command::new("/sbin/modprobe");
        modprobe.arg("-d").arg(&self.files).args(["-S", &self.release, "--show-depends", module]);
        let said = process::output(&mut modprobe)?;
        Ok(said
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "))
            .map(|path| path.trim().into())
            .collect())
    }
}

/// The flavour for virtual machines: small, and with fq.
const FLAVOUR: &str = "-cloud-amd64";

/// A statically linked busybox. Fetched like a kernel: installed, it would push another busybox out.
pub fn busybox() -> Result<PathBuf> {
    Ok(unpacked("busybox-static")?.join("bin/busybox"))
}

/// Names that apt knows, with its lists brought up to date if they have none.
fn known(prefix: &str) -> Result<String> {
    let names = || process::output(Command::new("apt-cache").args(["pkgnames", prefix]));
    let found = names()?;
    if newest(&found, prefix).is_some() {
        return Ok(found);
    }
    packages::update();
    names()
}

/// The greatest version among the names, number by number.
fn newest(names: &str, prefix: &str) -> Option<String> {
    let version = |name: &str| -> Option<Vec<u64>> {
        let version = name.strip_prefix(prefix)?.strip_suffix(FLAVOUR)?;
        let numbers = version.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
        numbers.map(|number| number.parse().ok()).collect()
    };
    let candidates = names.lines().filter_map(|name| Some((version(name)?, name)));
    candidates.max().map(|(_, name)| name.to_owned())
}

/// Where everything of the matrix lies.
pub fn directory() -> Result<PathBuf> {
    let directory = places::target()?.join("kernels");
    fs::create_dir_all(&directory).with_context(|| places::shown(&directory))?;
    Ok(directory)
}

/// The files of `package`, out of the cache or out of Debian's archive.
fn unpacked(package: &str) -> Result<PathBuf> {
    let cache = directory()?;
    if let Some(found) = cached(&cache, package, "")? {
        return Ok(found);
    }
    println!("kernels: fetching {package}; once");
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.current_dir(&cache).args(["-qq", "-o", "APT::Sandbox::User=root", "download", package]);
        process::output(&mut apt)
    };
    if download().is_err() {
        // Lists that are older than the archive name versions that are gone.
        packages::update();
        download()?;
    }
    let archive = cached(&cache, package, ".deb")?.context("apt-get said that it fetched it")?;
    let files = archive.with_extension("");
    let unfinished = archive.with_extension("part");
    process::output(Command::new("dpkg-deb").arg("--extract").args([&archive, &unfinished]))?;
    fs::rename(&unfinished, &files)?;
    fs::remove_file(&archive)?;
    Ok(files)
}

/// `PACKAGE_VERSION_ARCHITECTURE` with `extension`, as apt names what it fetches.
fn cached(cache: &Path, package: &str, extension: &str) -> Result<Option<PathBuf>> {
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(|rest| rest.ends_with(&format!("_amd64{extension}")))
    };
    let entries = fs::read_dir(cache)?.map(|entry| Ok(entry?.path()));
    let mut found = entries.collect::<Result<Vec<_>>>()?.into_iter().filter(fits).collect::<Vec<_>>();
    found.sort();
    Ok(found.pop())
}

/// The version in the name of an unpacked package's directory. apt writes a colon as `%3a`.
fn version_of(files: &Path) -> Result<String> {
    let name = files.file_name().unwrap_or_default().to_string_lossy();
    match name.split('_').nth(1) {
        Some(version) => Ok(version.replace("%3a", ":")),
        None => bail!("{} is not named as apt names packages", files.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn versions_are_compared_as_numbers() {
        let names = "linux-image-6.12.9+deb12-cloud-amd64\n\
                     linux-image-6.12.117+deb12-cloud-amd64\n\
                     linux-image-6.12.117+deb12-cloud-amd64-dbg\n\
                     linux-image-6.12.200+deb12-amd64\n\
                     linux-image-6.12.101+deb12-cloud-amd64\n";
        let expected = Some("linux-image-6.12.117+deb12-cloud-amd64".to_owned());
        assert_eq!(newest(names, "linux-image-6.12."), expected);
        assert_eq!(
            newest("linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-56-cloud-amd64\n", "linux-image-6.1."),
            Some("linux-image-6.1.0-56-cloud-amd64".to_owned())
        );
        assert_eq!(newest(names, "linux-image-6.1."), None);
    }
}
