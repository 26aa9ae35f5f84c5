//! The command `krtp`.

use anyhow::{Context, Result};
use clap::Parser;
use krtp::{
    cli::{Cli, Command, check_max_rate},
    doctor, flows, indexing,
    kernel::pins,
    line::one_line,
    net::{
        netlink::Netlink,
        qdisc::{Kind, fq::Load},
    },
    prepare,
    print::print,
    probe,
    stop::Stop,
    stream, watch,
};
use std::{io::IsTerminal as _, process::ExitCode};

fn main() -> ExitCode {
    let cli = Cli::parse();
    show_log(cli.verbose);
    // One thread of control; the sender has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("cannot start").and_then(|runtime| runtime.block_on(run(cli.command))) {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever RUST_BACKTRACE says.
            eprintln!("krtp: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn show_log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor { interface, load } => doctor::run(interface.as_deref(), load).await,
        Command::Attach { interface, flows, qdisc, max_rate } => {
            check_max_rate(qdisc, max_rate)?;
            attach(&interface, Load { max_rate, ..Load::of_flows(flows) }, qdisc).await
        }
        Command::Detach { interface } => {
            pins::detach(&Netlink::open()?, &interface).await?;
            say(&format!("{interface}: detached"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Probe { file, pcr_pid, json } => {
            probe::run(&file, pcr_pid, json).map(|()| ExitCode::SUCCESS)
        }
        Command::Index { paths, jobs, json } => indexing::run(&paths, jobs, json),
        Command::Prepare(arguments) => prepare::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Stream(options) => {
            let arguments: Vec<_> = std::env::args_os().collect();
            stream(options.json, &options.all(&arguments)?).await
        }
        Command::Watch(options) => watch(&options.options()).await,
        Command::Flows { json, watch } => flows::run(json, watch).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn attach(interface: &str, load: Load, qdisc: Option<Kind>) -> Result<ExitCode> {
    let netlink = Netlink::open()?;
    let link = netlink.link_by_name(interface).await?;
    let link = link.with_context(|| format!("there is no interface {interface}: see `ip link`"))?;
    let flows = load.flows;
    let how = match pins::attach(&netlink, &link, load, qdisc).await? {
        Ok(_) => String::new(),
        Err(why) => format!(" without a segmenter ({why})"),
    };
    say(&format!("{interface}: attached{how}, room for {flows} flows"));
    Ok(ExitCode::SUCCESS)
}

async fn watch(options: &watch::Options) -> Result<ExitCode> {
    let stop = Stop::default();
    stop.at_signals().context("cannot listen to signals")?;
    watch::run(options, &stop).await?;
    Ok(ExitCode::SUCCESS)
}

async fn stream(json: bool, streams: &[stream::Options]) -> Result<ExitCode> {
    let stop = Stop::default();
    // Before anything is set up: what is set up is then taken away again.
    stop.at_signals().context("cannot listen to signals")?;
    let report = stream::run(streams, stop).await?;
    say(&if json { serde_json::to_string(&report)? } else { report.to_string() });
    let mut code = ExitCode::SUCCESS;
    for failure in report.failures() {
        eprintln!("krtp: {failure}");
        code = ExitCode::FAILURE;
    }
    Ok(code)
}

/// Prints what was done. That it was stays true where nobody can read it.
fn say(text: &str) {
    if let Err(error) = print(&format!("{text}\n")) {
        eprintln!("krtp: cannot write to standard output: {error}");
    }
}
