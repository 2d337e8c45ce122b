//! The root of another crate, which the fuzz targets are made of (see fuzz/): what of the agent reads bytes that others
//! wrote, and nothing else. RocksDB takes long to compile, and with the flags that count coverage it would have to be once
//! more.

#![allow(dead_code, unused_imports, reason = "the rest of the agent uses it")]

pub mod config;
pub mod ingest;
pub mod model;
pub mod pmm_agent;
pub mod wire;

pub mod queue {
    pub mod columns;
}
