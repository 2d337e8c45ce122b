//! Generated from `proto/` at build time: the remote-write 1.0 messages.
//!
//! Used where a message is made or read whole (tests, the harness, the import's output). The hot paths
//! walk the bytes themselves, see [`crate::wire`].
#![allow(missing_docs, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/prometheus.rs"));
