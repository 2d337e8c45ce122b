//! Under a service manager: what systemd is told, and the socket it passes.
//!
//! ```text
//!  committer ── beats ──┐
//!  replay tasks ─ beats ┴▶ manager (a thread) ─▶ notify ─▶ $NOTIFY_SOCKET
//!  status ── words ────────▲
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `heartbeat` | who still makes progress (pure but for its timer) |
//! | `words` | the backlog in one line (pure) |
//! | `notify` | one datagram to the service manager |
//! | `manager` | the thread that keeps it informed and feeds its watchdog |
//! | `activation` | a listening socket that was passed |
//!
//! Without a service manager all of it does nothing. The unit is in config/systemd/, how to run it in
//! docs/operations.md.

pub mod activation;
mod heartbeat;
mod manager;
mod notify;
mod words;

pub use heartbeat::{Heartbeat, Hearts};
pub use manager::Manager;
pub use notify::Notify;
pub use words::words;
