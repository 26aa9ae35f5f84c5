//! What is on the wire: every octet of every packet, sent by the real command
//! in namespaces of its own. Needs root.

#[path = "../support/mod.rs"]
mod support;

mod audio;
mod bulk;
mod mtu;
mod numbers;
mod offload;
mod others;
mod paths;
mod prepared;
mod several;
mod shapes;
mod source;
