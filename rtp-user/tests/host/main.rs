//! krtp among others on a host: what it leaves alone, what it leaves behind
//! (nothing), and what it says when things change under a stream. Needs root.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/synth.rs"]
mod synth;

mod attach;
mod bystanders;
mod changes;
mod clock;
mod events;
mod file;
mod flows;
mod index;
mod kill;
mod locks;
mod neighbours;
mod no_guardian;
mod output;
mod prepare;
mod prepared;
mod signals;
mod sound;
mod sweep;
