//! What both sides of krtp agree on: the program on the interface's TC egress
//! and the user space that feeds it.
//!
//! Everything here is a pure function or a plain struct. Structs are `repr(C)`,
//! integers only, with explicit padding and pinned offsets, because they are
//! shared memory between two separately compiled programs.

#![no_std]

pub mod carrier;
pub mod checksum;
pub mod flow;
pub mod header;
pub mod notes;
pub mod prepared;
pub mod reason;
pub mod timeline;
pub mod watch;
