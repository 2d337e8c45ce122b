//! Generated from `proto/` at build time: the remote-write messages, 1.0 and, in [`v2`], 2.0.
//!
//! Used where a message is made or read whole (tests, the harness, the import's output). The hot paths
//! walk the bytes themselves, see [`crate::wire`].
#![allow(missing_docs, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/prometheus.rs"));

/// Remote write 2.0.
pub mod v2 {
    include!(concat!(env!("OUT_DIR"), "/io.prometheus.write.v2.rs"));
}
