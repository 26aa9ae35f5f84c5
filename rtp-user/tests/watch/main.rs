//! `krtp watch`: its program under `BPF_PROG_TEST_RUN`, and the command on real
//! interfaces in namespaces of its own. Needs root.

#[path = "../support/mod.rs"]
mod support;

mod attach;
mod crafted;
mod frame;
mod program;
mod rig;
mod shapes;
mod streams;
