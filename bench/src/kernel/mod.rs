//! Where krtp's own time goes: every step of the program by itself, the whole
//! way by profile, and one build of the object against another.

mod profile;
mod report;
mod steps;

use crate::{
    check, cpu,
    devices::{Namespace, Target, UNLIMITED},
    lane::{self, Lane, PARTS},
    media::Media,
    report::Conditions,
    rows::{Sender, krtpsendfile, user_gso},
};
use anyhow::Context;
use clap::Args;
use krtp::kernel::object::Object;
use report::Measured;
use std::{fs, path::PathBuf};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// How long and how
    #[command(flatten)]
    lanes: lane::Turns,
    /// Length of the profile, seconds; 0: none
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Another build of the object (krtp.bpf.o), measured in turns with the one in krtp; may be repeated
    #[arg(long = "against", value_name = "OBJECT")]
    others: Vec<PathBuf>,
}

/// A build of the object: its name, and its octets where it is not the one in krtp.
struct Build {
    name: String,
    object: Option<Vec<u8>>,
}

impl Build {
    fn all(others: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut builds = vec![Self { name: "krtp".into(), object: None }];
        for path in others {
            let object = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            builds.push(Self { name, object: Some(object) });
        }
        Ok(builds)
    }

    fn load(&self) -> anyhow::Result<Object> {
        let object = match &self.object {
            None => Object::load(1),
            Some(octets) => Object::load_from(octets, 1),
        };
        object.with_context(|| format!("loading {}", self.name))
    }

    fn open(&self, namespace: &Namespace, target: &Target, media: &Media) -> anyhow::Result<Box<dyn Sender>> {
        krtpsendfile::open_with(self.load()?, namespace, target, media)
    }
}

/// Checks, measures, prints.
pub fn run(options: &Options) -> anyhow::Result<()> {
    cpu::stay()?;
    let namespace = Namespace::enter_new()?;
    let media = Media::random(options.lanes.megabytes)?;
    let builds = Build::all(&options.others)?;
    let (target, peer) = namespace.peer(UNLIMITED)?;
    for build in &builds {
        let mut sender = build.open(&namespace, &target, &media)?;
        let checked =
            check::datagrams(&mut *sender, &peer, &media, 0..check::PACKETS.min(media.packets()), true);
        checked.with_context(|| build.name.clone())?;
    }
    let mut lanes = Vec::new();
    for (number, build) in (1..).zip(&builds) {
        let target = namespace.sink(number)?;
        let sender = build.open(&namespace, &target, &media)?;
        lanes.push(Lane { name: build.name.clone(), target, sender });
    }
    let target = namespace.sink(100)?;
    let sender = (user_gso::ROW.open)(&namespace, &target, &media)?;
    lanes.push(Lane { name: user_gso::ROW.key.into(), target, sender });
    let measured = Measured {
        rounds: lane::in_turns(&mut lanes, &media, options.lanes.rounds)?,
        names: lanes.iter().map(|lane| lane.name.clone()).collect(),
        steps: builds.iter().map(|build| steps::measure(&mut build.load()?)).collect::<Result<_, _>>()?,
        profile: profile::take(&mut lanes[0], &media, options.seconds)?,
    };
    let conditions = Conditions::here(&media.part(0, PARTS))?;
    if options.lanes.json {
        println!("{:#}", measured.json(&conditions));
    } else {
        print!("{}", measured.tables(&conditions));
    }
    Ok(())
}
