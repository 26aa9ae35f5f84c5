//! `cargo xtask`: what cargo itself cannot do for krtp.

mod bench;
mod build_ebpf;
mod ci;
mod demo;
mod hash;
mod kernels;
mod krtp;
mod lint;
mod packages;
mod places;
mod process;
mod rustc;
mod sample;
mod setup;
mod test;
mod toolchain;

use clap::{CommandFactory, Parser, Subcommand};
use std::{ffi::OsString, process::ExitCode};

/// krtp's chores. Those that need root say so, and use sudo when it is there.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

/// Arguments handed on as they are.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct PassedOn {
    /// Handed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Subcommand)]
enum Command {
    /// Stream the sample between two network namespaces, and judge what arrives
    Demo(demo::Options),
    /// All tests, privileged ones included; arguments go to `cargo test`
    Test(PassedOn),
    /// The tests on Debian's kernels 6.1 and 6.12, in QEMU
    Kernels(kernels::Options),
    /// Measurements; arguments go to `krtp-bench`
    Bench(PassedOn),
    /// What this host and interface can do: `krtp doctor`
    Doctor(PassedOn),
    /// Load the object through the kernel's verifier: `krtp doctor --load`
    Load(PassedOn),
    /// Attach to an interface until `detach`: `krtp attach`
    Attach(PassedOn),
    /// Send a file: `krtp stream`
    Stream(PassedOn),
    /// The flows in the maps: `krtp flows`
    Flows(PassedOn),
    /// What a file holds: `krtp probe`
    Probe(PassedOn),
    /// The RTP that arrives on an interface: `krtp watch`
    Watch(PassedOn),
    /// Undo `attach`: `krtp detach`
    Detach(PassedOn),
    /// The eBPF object from source, to where rtp-user embeds it
    BuildEbpf(build_ebpf::Options),
    /// Install what the others need, when it is missing (Debian)
    Setup(setup::Options),
    /// rustfmt and clippy, warnings denied, both toolchains
    Lint,
    /// Everything a change has to pass: `.ci/run`
    Ci,
    /// Make sample/krtp-sample.ts again, with ffmpeg
    Sample,
}

fn main() -> ExitCode {
    if let Some(code) = rustc::as_wrapper() {
        return code;
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>) -> anyhow::Result<()> {
    let Some(command) = command else {
        return Ok(Cli::command().print_help()?);
    };
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(passed) => test::run(&passed.arguments),
        Command::Kernels(options) => kernels::run(&options),
        Command::Bench(passed) => bench::run(&passed.arguments),
        Command::Doctor(passed) => krtp::run(&["doctor"], &passed.arguments),
        Command::Load(passed) => krtp::run(&["doctor", "--load"], &passed.arguments),
        Command::Attach(passed) => krtp::run(&["attach"], &passed.arguments),
        Command::Stream(passed) => krtp::run(&["stream"], &passed.arguments),
        Command::Flows(passed) => krtp::run(&["flows"], &passed.arguments),
        Command::Probe(passed) => krtp::run(&["probe"], &passed.arguments),
        Command::Watch(passed) => krtp::run(&["watch"], &passed.arguments),
        Command::Detach(passed) => krtp::run(&["detach"], &passed.arguments),
        Command::BuildEbpf(options) => build_ebpf::run(&options),
        Command::Setup(options) => setup::run(&options),
        Command::Lint => lint::run(),
        Command::Ci => ci::run(),
        Command::Sample => sample::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_krtp_reach_krtp() {
        let cli = Cli::try_parse_from(["xtask", "stream", "--help", "a.ts", "--to", "[::1]:5004"]).unwrap();
        let Some(Command::Stream(passed)) = cli.command else { panic!("not the stream command") };
        assert_eq!(passed.arguments, ["--help", "a.ts", "--to", "[::1]:5004"]);
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["xtask"]).unwrap().command.is_none());
    }
}
