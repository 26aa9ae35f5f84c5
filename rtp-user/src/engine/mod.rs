//! Engines.
pub mod kernel;
