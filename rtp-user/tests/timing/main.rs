//! When packets leave and what time they say, seen on the wire: sent by the real
//! command in namespaces of its own. Needs root.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/synth.rs"]
mod synth;

mod bends;
mod cut;
mod late;
mod list;
mod many;
mod paced;
mod row;
