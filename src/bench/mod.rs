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
mod target;
mod text;
pub mod tune;
mod watch;
mod yaml;

pub use compare::{Plan, Progress, Subject, play};
pub use contender::{Contender, Profile};
pub use load::Changes;
pub use scenario::{Phase, Scenario};
pub use target::Target;
pub use text::{Rate, Size, Time};
