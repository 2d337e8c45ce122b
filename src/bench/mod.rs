//! `pmm-buffer bench`: scenarios played on an agent, ours or another, and what was measured.
//!
//! ```text
//!  scenario ─┐
//!            ├─▶ stage ─▶ Run ─▶ Report ─▶ report (terminal, JSON, HTML)
//!  contender ┘
//! ```
//!
//! See docs/bench.md. Load, ledger and upstream are [`crate::harness`]'s.

pub mod outcome;
pub mod report;
pub mod spread;
