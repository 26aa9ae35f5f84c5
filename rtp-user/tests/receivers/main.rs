//! Receivers that are not ours: FFmpeg and GStreamer play the kernel engine's
//! stream from the session description that krtp wrote, and Wireshark's
//! dissectors judge it. Needs root, and what `cargo xtask setup` installs.

#![allow(clippy::doc_markdown, reason = "FFmpeg and GStreamer are names, not code")]

#[path = "../support/mod.rs"]
mod support;

mod audio;
mod ffmpeg;
mod gstreamer;
mod session;
mod tshark;
