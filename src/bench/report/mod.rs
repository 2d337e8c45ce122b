//! A [`super::outcome::Report`] as table, JSON and page. Pure.
//!
//! ```text
//!              ┌─▶ terminal
//!  view, text ─┤
//!              └─▶ html ◀─ curves (moments → chart), change (before and now)
//! ```

pub(super) mod change;
pub mod chart;
mod curves;
mod dots;
mod html;
mod json;
#[cfg(test)]
mod sample;
mod style;
mod terminal;
pub(super) mod text;
pub(super) mod view;

pub use html::html;
pub use json::{json, read};
pub use terminal::{terminal, terminal_beside};
