//! Load shaped like PMM hosts, and an upstream that verifies what arrives.
//!
//! What `demo`, the tests and the benches drive the agent with, from outside, as its users do:
//!
//! ```text
//!  load ─▶ flow (a pusher a host) ─▶ agent (a child process) ─▶ upstream
//!            │ pushed, answered                                     │ arrived
//!            └──────────────────────▶ ledger ◀──────────────────────┘
//! ```
//!
//! The ledger is the judge: of every sample it knows whether it was pushed, answered and delivered, in which
//! order and with which bits. Everything listens on 127.0.0.1.

mod agent;
mod client;
mod database;
mod flow;
mod gate;
mod ledger;
mod load;
mod native;
mod peer;
mod port;
mod profile;
mod pusher;
mod relay;
mod rng;
mod token_server;
mod upstream;
pub mod wait;

pub use agent::{Agent, Launch, Usage};
pub use client::{Answer, Client};
pub use database::Database;
pub use flow::{Flow, Schedule};
pub use ledger::{Ledger, SharedLedger, Verdict};
pub use load::{HostLoad, Load, MAX_SERIES};
pub use native::{NativeBlock, NativeBody, NativeForm, native_column, native_name};
pub use peer::find_peer;
pub use port::ReservedPort;
pub use pusher::{PushRefused, Pusher, json_lines, pack, pack_v2};
pub use relay::Relay;
pub use rng::Rng;
pub use token_server::{Grants, TokenServer};
pub use upstream::{Mode, Seen, Totals, Upstream};
