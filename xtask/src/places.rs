//! Where things are.

use anyhow::{Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The workspace's root directory.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo puts what it builds: `target`, unless the user said otherwise. Found from where this very program
/// lies (`target/debug/xtask`), which holds for `CARGO_TARGET_DIR` and for every cargo configuration.
pub fn target() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot find the path of xtask itself")?;
    let target = this.ancestors().nth(2).context("xtask does not lie in a target directory")?;
    Ok(target.to_path_buf())
}

/// A binary of the release profile.
pub fn release(name: &str) -> Result<PathBuf> {
    Ok(target()?.join("release").join(name))
}

/// `name` as the shell would find it.
pub fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The path as a user in the workspace's root would type it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A path as one word of the shell's.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_stays_one_word() {
        assert_eq!(quoted("/a b/it's".as_ref()), r"'/a b/it'\''s'");
    }
}
