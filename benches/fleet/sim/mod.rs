//! Many agents and one server in virtual time, after an outage. The same scene gives the same story.
//!
//! ```text
//!  sender ──▶ attempt ──▶ server: waiting ─▶ cores ──▶ answer ──▶ sender
//!    ▲                       │ full, waited too long: 503             │
//!    └── wake ◀──────────────┴── down: refused; deadline: no answer ◀─┘
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `events` | what happens when |
//! | `server` | what a request costs, who waits for whom |
//! | `sender` | what the two policies have in common |
//! | `buffer` | this agent's policy: the real state machine |
//! | `vmagent` | vmagent's policy |
//! | `fleet` | puts them together |
//! | `story` | what came of it |

mod buffer;
mod events;
mod fleet;
mod sender;
mod server;
mod story;
mod vmagent;

pub use buffer::{Manners, Spread};
pub use fleet::run;
pub use server::Model;
pub use story::{Second, Story, quantile};

/// Virtual time since the beginning of the outage, in microseconds.
pub type Micros = u64;

pub const SECOND: Micros = 1_000_000;

/// How agents send.
#[derive(Debug, Clone, Copy)]
pub enum Policy {
    Buffer(Manners),
    /// With so many queues: one keeps the order, the default is twice the host's cores.
    Vmagent {
        queues: usize,
    },
}

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub policy: Policy,
    pub agents: usize,
    /// How long the server refuses connections, in seconds.
    pub outage: u64,
    /// The end, in seconds after the outage, if not all agents are current before.
    pub patience: u64,
    pub model: Model,
    pub seed: u64,
}

/// Samples that an agent gets a second, in one push.
pub const SAMPLES_PER_SECOND: u64 = 360;
/// Series of an agent: each is scraped every five seconds.
pub const SERIES: u64 = 5 * SAMPLES_PER_SECOND;
/// An agent is current where what is not delivered yet is younger than this, in seconds.
pub const CURRENT: u64 = 10;
