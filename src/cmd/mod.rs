//! The subcommands.

pub mod check_config;
pub mod demo;
pub mod run;
pub mod status;
