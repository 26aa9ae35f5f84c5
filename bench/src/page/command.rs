//! `krtp-bench page`: draws again what a run has written.

use anyhow::Context;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What to draw.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// `paths.json` or `peers.json`
    file: PathBuf,
    /// The table in Markdown to standard output, no page
    #[arg(long)]
    markdown: bool,
}

/// Draws; says where the page is.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut run = read(&options.file)?;
    let peers = run.get("peers").is_some();
    let before = options.file.with_file_name("paths-before.json");
    if !peers && run.get("before").is_none() && before.exists() {
        run["before"] = read(&before)?;
    }
    if options.markdown {
        let markdown = if peers { super::peers_markdown } else { super::markdown };
        print!("{}", markdown(&run)?);
        return Ok(());
    }
    let (html, name) =
        if peers { (super::peers_html(&run)?, "peers.html") } else { (super::html(&run)?, "report.html") };
    let page = options.file.with_file_name(name);
    fs::write(&page, html).with_context(|| page.display().to_string())?;
    eprintln!("krtp-bench: {}", page.display());
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}
