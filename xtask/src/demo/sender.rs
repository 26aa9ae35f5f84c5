//! krtp, streaming in its namespace.

use super::{
    cable::{self, Namespace},
    receiver,
};
use crate::{places, process, sample};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long krtp has to take its things off the interface when told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// The running `krtp stream`.
#[derive(Debug)]
pub struct Sender<'a> {
    namespace: &'a Namespace,
    binary: PathBuf,
    child: Child,
    ended: Option<Instant>,
}

impl<'a> Sender<'a> {
    /// Starts it, and shows the command.
    pub fn start(namespace: &'a Namespace, binary: &Path) -> Result<Self> {
        let to = format!("{}:{}", cable::RECEIVER, receiver::PORT);
        let arguments = ["stream", sample::FILE, "--to", &to, "--engine", "kernel", "--pace", "pcr"];
        println!("$ krtp {}", arguments.join(" "));
        let mut command = namespace.command(binary);
        command.args(arguments).current_dir(places::root()).stdin(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run `{}`", process::shown(&command)))?;
        Ok(Self { namespace, binary: binary.to_path_buf(), child, ended: None })
    }

    /// When it ended, if it did; an error when it did not end well.
    pub fn ended(&mut self) -> Result<Option<Instant>> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            if !status.success() {
                bail!("krtp did not stream ({status})");
            }
            self.ended = Some(Instant::now());
        }
        Ok(self.ended)
    }

    /// Shows what `krtp flows` reads from the map at this moment.
    pub fn show_flows(&self) -> Result<()> {
        let flows = process::output(self.namespace.command(&self.binary).arg("flows"))?;
        // On a terminal krtp's progress line stands unfinished; it is drawn anew below.
        let off_the_line = if std::io::stderr().is_terminal() { "\n" } else { "" };
        let text = format!(
            "{off_the_line}\nHalf of it has come. The flow's state in the kernel's map:\n\n$ krtp flows\n{flows}\n"
        );
        Ok(std::io::stdout().write_all(text.as_bytes())?) // in one piece
    }

    /// Makes sure that it has ended: asks first, so that it can leave the interface clean.
    pub fn stop(&mut self) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("warning: cannot stop krtp: {error:#}");
        }
    }
}
