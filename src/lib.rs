//! pmm-buffer: a durable buffer for pushed metrics.
//!
//! It takes remote-write and import pushes, makes each durable before it answers, and replays them in
//! order to PMM Server. Data flows one way:
//!
//! ```text
//! server → ingest → queue → replay
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | `Push`, the one internal form of a request |
//! | [`wire`] | its remote-write 1.0 form, both ways |
//! | [`config`] | the configuration as typed, and as validated |
//! | [`ingest`] | a file a protocol: bytes → `Push`, or a refusal |
//! | [`server`] | listener, routes, limits, admin pages |
//! | [`queue`] | the durable log between the two halves |
//! | [`dead_letter`] | what upstreams refused for good |
//! | [`replay`] | batches, verdicts, backoff; the client and its worker |
//! | [`service`] | what a service manager is told, and the socket it passes |
//! | [`telemetry`] | logging and metrics |
//! | [`pmm_agent`] | pmm-agent.yaml, edited by line |
//! | [`shim`] | what is started in place of vmagent, and hands its upstream over |
//! | [`status`] | what `/api/v1/status` and `pmm-buffer status` show |
//! | [`clock`] | the wall clock, passed in |
//! | [`fault`] | what happens at a bug |
//! | [`harness`] | load, a verifying upstream: what `demo`, tests and benches drive the agent with |
//! | [`memory`] | how the process takes memory |
//! | [`cmd`] | the subcommands |

mod atomic_file;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod dead_letter;
pub mod fault;
pub mod harness;
mod html;
pub mod ingest;
pub mod memory;
pub mod model;
pub mod pmm_agent;
pub mod proto;
pub mod queue;
pub mod replay;
pub mod server;
pub mod service;
pub mod shim;
pub mod status;
pub mod telemetry;
pub mod wire;
