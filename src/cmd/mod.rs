//! The subcommands.

pub mod bench;
pub mod check_config;
pub mod dead_letter;
pub mod demo;
mod interrupt;
mod place;
pub mod pmm_agent;
pub mod queue;
pub mod run;
pub mod status;
mod table;
pub mod vmagent_shim;
mod wall;
