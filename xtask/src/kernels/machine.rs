//! One virtual machine: a kernel, the host's files, a job, and a directory for what comes of it.

use super::{debian::Kernel, initrd};
use crate::process;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The host's end of the shared files; Debian 12 has it in qemu-system-common.
const FILES: &str = "/usr/lib/qemu/virtiofsd";
/// The job's script, in the directory for results.
const JOB: &str = "job.sh";
/// Made by the job when it is through.
const DONE: &str = "done";
/// What a job begins and ends with.
const BEGIN: &str = include_str!("begin.sh");
const END: &str = "\ntouch /mnt/done\necho o > /proc/sysrq-trigger\nsleep 60\n";
/// How often its results are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the host's end may take to open its socket.
const PATIENCE: Duration = Duration::from_mins(1);

/// What to run on which kernel.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// A statically linked busybox.
    pub busybox: &'a Path,
    /// Its directory, for all that it needs and leaves.
    pub place: PathBuf,
    /// Shell commands, with the functions of `begin.sh`; `/mnt` is [`Machine::results`].
    pub job: String,
    /// The machine is ended after this time.
    pub limit: Duration,
    /// What its time is.
    pub clock: Clock,
    /// And when this is raised.
    pub stop: &'a AtomicBool,
}

/// What a machine's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The host's.
    Host,
    /// The host's, and the machine's threads go before the host's others: what else the host does would hold the machine
    /// up for milliseconds, which is all that a measurement of times would then see.
    HostFirst,
    /// Its own instructions, a nanosecond each; where it has nothing to do its time jumps to what comes next. Whatever
    /// the host does, nothing of it is seen. One processor, emulated also where there is KVM. Where the
    /// machine waits for the host (a file that it reads for the first time) its time may go far.
    Instructions,
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The job is through.
    Done,
    /// It was ended by the limit.
    OutOfTime,
    /// The machine stopped in the middle of the job.
    Died,
}

/// Whether this host runs other kernels at full speed. `/dev/kvm` alone does not say so: on a host that is a virtual
/// machine itself it may be there and fail on the first instruction.
pub fn has_kvm() -> bool {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let extended = cpus.split_whitespace().any(|word| word == "vmx" || word == "svm");
    extended && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}

/// Whether this host lets us run anything before all else (`SCHED_FIFO`); a container may not.
fn may_go_first() -> bool {
    Command::new("chrt")
        .args(["--fifo", "1", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success())
}

impl Machine<'_> {
    /// Where the job's results are, on the host.
    pub fn results(&self) -> PathBuf {
        self.place.join("results")
    }

    /// The machine's console.
    pub fn console(&self) -> PathBuf {
        self.place.join("console.log")
    }

    /// Boots, runs the job and powers off; `look` is called every now and then. Needs root.
    pub fn run(&self, mut look: impl FnMut()) -> Result<End> {
        let results = self.results();
        let _ = fs::remove_dir_all(&self.place); // of the run before
        fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
        fs::write(results.join(JOB), format!("{BEGIN}\n{}\n{END}", self.job))?;
        let initrd = initrd::make(self.kernel, self.busybox, &self.place)?;
        let _host = self.share("host", Path::new("/"), "always")?;
        let _results = self.share("results", &results, "none")?;
        let mut machine = Running::start(&mut self.qemu(&initrd)?)?;
        let deadline = Instant::now() + self.limit;
        while machine.0.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Ok(End::OutOfTime);
            }
            if self.stop.load(Ordering::Relaxed) {
                bail!("stopped");
            }
            look();
            thread::sleep(LOOK);
        }
        look();
        Ok(if results.join(DONE).exists() { End::Done } else { End::Died })
    }

    /// Shares `directory` with the machine as `tag`.
    fn share(&self, tag: &str, directory: &Path, cache: &str) -> Result<Running> {
        let socket = self.socket(tag);
        let mut command = Command::new(FILES);
        command.current_dir(&self.place).arg(format!("--socket-path={socket}"));
        command.arg("-o").arg(format!("source={}", directory.display()));
        command.args(["-o", &format!("cache={cache}"), "-o", "sandbox=chroot", "-o", "log_level=err"]);
        command.stderr(File::create(self.place.join(format!("{tag}.log")))?);
        let running = Running::start(&mut command)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.place.join(&socket).exists() {
            if Instant::now() > deadline {
                bail!(
                    "`{}` opens no socket: see {tag}.log in {}",
                    process::shown(&command),
                    self.place.display()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }

    /// Relative to its place, since a socket's path must be short; and no other machine's, since virtiofsd locks a file
    /// of that name.
    fn socket(&self, tag: &str) -> String {
        format!("{}-{tag}-{}.sock", self.kernel.series.name(), std::process::id())
    }

    fn qemu(&self, initrd: &Path) -> Result<Command> {
        let mut qemu = if self.clock == Clock::HostFirst && may_go_first() {
            let mut chrt = Command::new("chrt");
            chrt.args(["--fifo", "1", "qemu-system-x86_64"]);
            chrt
        } else {
            Command::new("qemu-system-x86_64")
        };
        qemu.current_dir(&self.place);
        let processors: &[&str] = match self.clock {
            Clock::Instructions => {
                &["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max", "-smp", "1"]
            }
            _ if has_kvm() => &["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            _ => &["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"],
        };
        qemu.args(["-M", "q35"]).args(processors).args(["-m", MEMORY]);
        // What virtiofs needs: memory that its host's end can map.
        qemu.arg("-object").arg(format!("memory-backend-memfd,id=memory,size={MEMORY},share=on"));
        qemu.args(["-numa", "node,memdev=memory"]);
        for tag in ["host", "results"] {
            qemu.arg("-chardev").arg(format!("socket,id={tag},path={}", self.socket(tag)));
            qemu.arg("-device").arg(format!("vhost-user-fs-pci,chardev={tag},tag={tag}"));
        }
        qemu.args(["-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
        qemu.arg("-kernel").arg(self.kernel.image()).arg("-initrd").arg(initrd);
        qemu.args(["-append", "console=ttyS0 panic=-1 mitigations=off"]);
        let console = File::create(self.console())?;
        qemu.stderr(console.try_clone()?).stdout(console);
        Ok(qemu)
    }
}

/// The tests keep what they captured.
const MEMORY: &str = "2048M";

/// A child that does not outlive its value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("cannot run `{}`", process::shown(command)))?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
