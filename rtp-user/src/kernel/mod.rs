//! Kernel.
pub mod maps;
pub mod object;
pub mod segmenter;
