//! The first file system of a machine: busybox, and the modules that reach the host's files.

use super::debian::Kernel;
use crate::process;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What is needed before modules can be asked for: the host's files, and a layer over them.
const MODULES: [&str; 3] = ["virtio_pci", "virtiofs", "overlay"];
const INIT: &str = include_str!("init.sh");

/// Makes the image in `place`, and says where it is.
pub fn make(kernel: &Kernel, busybox: &Path, place: &Path) -> Result<PathBuf> {
    let tree = place.join("initrd");
    let modules = tree.join("modules");
    let _ = fs::remove_dir_all(&tree); // of the run before
    fs::create_dir_all(&modules).with_context(|| tree.display().to_string())?;
    fs::copy(busybox, tree.join("busybox")).with_context(|| busybox.display().to_string())?;
    fs::write(tree.join("modules-directory"), kernel.modules().as_os_str().as_encoded_bytes())?;
    let init = tree.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    for (number, module) in needed(kernel)?.iter().enumerate() {
        // Their order is that of their names.
        plain(module, &modules.join(format!("{number:02}.ko")))?;
    }
    let image = place.join("initrd.cpio");
    archive(busybox, &tree, &image)?;
    Ok(image)
}

/// Each module once, after those that it needs.
fn needed(kernel: &Kernel) -> Result<Vec<PathBuf>> {
    let mut needed: Vec<PathBuf> = Vec::new();
    for module in MODULES {
        for file in kernel.module(module)? {
            if !needed.contains(&file) {
                needed.push(file);
            }
        }
    }
    Ok(needed)
}

/// Newer kernels' modules are compressed, and the kernel takes plain ones from busybox.
fn plain(module: &Path, to: &Path) -> Result<()> {
    if module.extension().is_some_and(|extension| extension == "xz") {
        return process::run(Command::new("xz").arg("-dc").arg(module).stdout(File::create(to)?));
    }
    fs::copy(module, to).with_context(|| module.display().to_string())?;
    Ok(())
}

/// As the kernel reads it (Documentation/driver-api/early-userspace/buffer-format.rst: "newc").
fn archive(busybox: &Path, tree: &Path, image: &Path) -> Result<()> {
    let mut cpio = Command::new(busybox);
    cpio.current_dir(tree).args(["cpio", "-o", "-H", "newc"]);
    cpio.stdin(Stdio::piped()).stdout(File::create(image)?).stderr(Stdio::null());
    let mut running = cpio.spawn().with_context(|| process::shown(&cpio))?;
    let mut names = running.stdin.take().context("a pipe")?;
    for directory in [".", "modules"] {
        for entry in fs::read_dir(tree.join(directory))? {
            writeln!(names, "{directory}/{}", entry?.file_name().to_string_lossy())?;
        }
    }
    drop(names);
    let status = running.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", process::shown(&cpio));
    }
    Ok(())
}
