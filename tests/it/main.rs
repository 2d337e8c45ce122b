//! The real program, driven from outside as its users drive it: flags and files, signals, kill -9, outages, and
//! the real programs it stands between.
//!
//! Modules are filed by intent. Every wait is for a condition, with a deadline.

mod bench;
mod commands;
mod dead_letters;
mod failover;
mod following;
mod kill;
mod oauth2;
mod observing;
mod outage;
mod own_metrics;
mod peers;
mod pmm_agent;
mod queue;
mod secrets;
mod service;
mod signals;
mod stage;
mod start;
mod tune;
mod upstreams;
