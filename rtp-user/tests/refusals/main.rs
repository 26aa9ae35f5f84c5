//! Bad input and bad hosts: every refusal is one clear line that names the
//! file, flow or interface and the remedy, and leaves nothing on the host.
//! Needs root, for the namespaces.
//!
//! What cannot be shown here: a kernel that is too old (`kernel::check_version`
//! has a test of its own).

#[path = "../support/mod.rs"]
mod support;

mod files;
mod host;
mod interfaces;
mod options;
mod prepared;
mod privilege;
mod routes;
