//! Dead letters: what an upstream refused for good, kept with its answer.
//!
//! | file | its job |
//! |---|---|
//! | `letter` | a letter ↔ bytes (pure) |
//! | `folder` | letters on disk: numbers, listing, removal |
//! | `store` | what the agent writes them with: the limit, the counters |
//! | `lines` | a letter as VictoriaMetrics JSON lines (pure) |
//!
//! A letter is a file of its own, so agent and command line need no word with each other: the agent alone makes files, by
//! a rename of one that is synced; either may remove one, and finds it gone where the other did. The layout is in
//! docs/format.md, the rules in docs/replay.md.

mod folder;
mod letter;
mod lines;
mod store;

pub use folder::{Entry, Folder, LetterError};
pub use letter::{DecodeError, Letter};
pub use lines::{Lines, json_lines};
pub use store::{DeadLetters, Kept, Lost, Options, Totals};
