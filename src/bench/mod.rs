//! `pmm-buffer bench`: scenarios played on an agent, ours or another, and what was measured.
//!
//! ```text
//!  scenario ─┐
//!            ├─▶ stage ─▶ Run ─▶ Report ─▶ report (terminal, JSON, HTML)
//!  contender ┘
//! ```
//!
//! See docs/bench.md. Load, ledger and upstream are [`crate::harness`]'s.

mod compare;
mod contender;
mod crew;
mod figures;
pub mod folder;
mod host;
mod load;
pub mod outcome;
pub mod report;
mod scenario;
pub mod spread;
mod stage;
mod subject;
mod target;
mod text;
pub mod tune;
mod watch;
mod yaml;

pub use compare::{Plan, play};
pub use contender::{Contender, Profile};
pub use load::Changes;
pub use scenario::{Phase, Scenario};
pub use stage::Progress;
pub use subject::Subject;
pub use target::Target;
pub use text::{Rate, Size, Time};
