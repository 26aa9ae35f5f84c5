//! `krtp flows`: the flows in the maps, live.
//!
//! Looks at the maps of every krtp on this host, in this network namespace or
//! not, pinned or not: the kernel lists them all. Reading is shared memory and
//! costs the flows nothing.

mod rate;
mod reading;
mod text;
mod view;

use crate::{
    net::netlink::Netlink,
    print::{print, redraw},
};
use anyhow::Result;
use reading::Reading;
use std::{
    io::{self, IsTerminal},
    pin::pin,
    time::Duration,
};
use tokio::{signal::ctrl_c, time::sleep};
use view::View;

/// Between the two readings that a rate needs, where they are shown once.
const GLANCE: Duration = Duration::from_millis(200);
/// Between two readings of `--watch`.
const WATCH: Duration = Duration::from_secs(1);

/// Shows the flows: once, or (`watch`) each second until Ctrl-C; for people,
/// or (`json`) as one line of JSON, an array of objects.
pub async fn run(json: bool, watch: bool) -> Result<()> {
    let netlink = Netlink::open()?;
    let in_place = watch && !json && io::stdout().is_terminal();
    let mut before = Reading::take()?;
    if !watch {
        if !before.is_empty() {
            sleep(GLANCE).await;
        }
        let views = look(&netlink, &Reading::take()?, &before).await?;
        print(&render(&views, json)?)?;
        return Ok(());
    }
    let mut interrupted = pin!(ctrl_c());
    // At once, without a rate: a second is long for somebody who waits.
    let mut now = before.clone();
    loop {
        let text = render(&look(&netlink, &now, &before).await?, json)?;
        if !print(&if in_place { redraw(&text) } else { text })? {
            return Ok(());
        }
        before = now;
        tokio::select! {
            () = sleep(WATCH) => now = Reading::take()?,
            stopped = &mut interrupted => return Ok(stopped?),
        }
    }
}

/// What `now` shows, with rates since `before`.
async fn look(netlink: &Netlink, now: &Reading, before: &Reading) -> Result<Vec<View>> {
    let links = netlink.links().await?;
    let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    Ok(now.flows.iter().map(|flow| View::new(flow, now, before, name)).collect())
}

fn render(views: &[View], json: bool) -> Result<String> {
    if json {
        return Ok(serde_json::to_string(views)? + "\n");
    }
    if views.is_empty() {
        return Ok("no flows that the krtp program sees\n".into());
    }
    let blocks: Vec<String> = views.iter().map(text::block).collect();
    Ok(blocks.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn no_flows_are_an_answer() {
        assert_eq!(render(&[], true).expect("it renders"), "[]\n");
        assert_eq!(render(&[], false).expect("it renders"), "no flows that the krtp program sees\n");
    }
}
