//! Load shaped like PMM hosts, and an upstream that verifies what arrives.
//!
//! What `demo`, the tests and the benches drive the agent with, from outside, as its users do:
//!
//! ```text
//!  load ─▶ flow (connections) ─────▶ agent (a child process) ─▶ upstream
//!            │ pushed, answered                                     │ arrived
//!            └──────────────────────▶ ledger ◀──────────────────────┘
//! ```
//!
//! The ledger is the judge: of every sample it knows whether it was pushed, answered and delivered, in which
//! order and with which bits. Everything listens on 127.0.0.1.

mod agent;
mod body;
mod busy;
mod client;
mod database;
mod flow;
mod gate;
mod latency;
mod ledger;
mod load;
mod made;
mod native;
mod pace;
mod peer;
mod port;
mod profile;
mod protocol;
mod pusher;
mod relay;
mod replay;
mod rng;
mod spec;
mod token_server;
mod upstream;
mod usage;
pub mod wait;

pub use agent::{Agent, Launch};
pub use client::{Answer, Client};
pub use database::Database;
pub use flow::{Flow, FlowAccount, FlowCounts, FlowSpec, Schedule};
pub use latency::Latency;
pub use ledger::{Ledger, PushedSeries, SeriesFaults, SharedLedger, Verdict};
pub use load::{HostLoad, Load};
pub use made::MAX_SERIES;
pub use native::{NativeBlock, NativeBody, NativeForm, native_column, native_name};
pub use pace::Pace;
pub use peer::find_peer;
pub use port::ReservedPort;
pub use protocol::{Encoding, Format, Protocol, ProtocolError};
pub use pusher::{PushRefused, Pusher, json_lines, pack, pack_v2};
pub use relay::Relay;
pub use replay::{Capture, CaptureError};
pub use rng::Rng;
pub use spec::{LoadProfile, LoadSource, LoadSpec, UnknownProfile};
pub use token_server::{Grants, TokenServer};
pub use upstream::{Mode, Seen, Totals, Upstream};
pub use usage::Usage;
