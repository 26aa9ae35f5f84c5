//! Other programs: run, replaced by, run as root.

use crate::places;
use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    env,
    ffi::OsStr,
    io::IsTerminal,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

/// The cargo that runs us, in the workspace's root.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(places::root());
    cargo
}

/// Runs to the end; anything but success is an error that shows the command.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end, and gives what it wrote to stdout. What it wrote to stderr is the error's text.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Becomes the command; comes back only with the reason why not.
pub fn become_(command: &mut Command) -> Result<()> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run `{}`", shown(command)))
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The words before a command that make it run as root; none when we are root.
///
/// The environment is kept: krtp's settings and cargo's reach the command.
pub fn root_prefix() -> Result<Vec<&'static str>> {
    if is_root() {
        return Ok(Vec::new());
    }
    if places::on_path("sudo").is_none() {
        bail!("this needs root, and there is no sudo: run it again as root");
    }
    let mut words = vec!["sudo", "-E"];
    if !std::io::stdin().is_terminal() {
        words.push("-n"); // nobody is there to type a password
    }
    Ok(words)
}

/// `program`, to be run as root.
pub fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    let prefix = root_prefix()?;
    let Some((first, others)) = prefix.split_first() else { return Ok(Command::new(program)) };
    let mut command = Command::new(first);
    command.args(others).arg(program);
    Ok(command)
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A flag that Ctrl-C and its kin raise, so that what we made is unmade.
pub fn on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
