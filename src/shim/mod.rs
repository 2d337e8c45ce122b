//! What pmm-agent starts in place of vmagent: the pure half of `pmm-buffer vmagent-shim`.
//!
//! ```text
//!  pmm-agent ─▶ shim ──exec──▶ vmagent ─▶ pmm-buffer ─▶ PMM Server
//!                └─ hand-over: URL, credentials, TLS ─▶┘
//! ```
//!
//! [`plan()`] takes the arguments and the environment that vmagent was meant to be started with, and says what is handed
//! over to the buffer and what vmagent is started with instead. Settings are read as vmagent reads them: a flag beats
//! its variable, a variable counts with `-envflag.enable` and begins with `-envflag.prefix`, a list is parted by commas.
//! So it is the same for every PMM: flags up to 3.3, `VMAGENT_*` from 3.4, both at once.

mod array;
mod hand_over;
mod notes;
mod plan;
mod settings;

pub use hand_over::HandOver;
pub use notes::Notes;
pub use plan::{Plan, plan};
pub use settings::Start;

/// The file name by which the program knows that it is called in place of vmagent: `paths.vmagent` of pmm-agent.yaml
/// has room for a path and no arguments.
pub const NAME: &str = "pmm-buffer-vmagent";

/// Why vmagent has to be started as it was meant to be. Never holds a value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// No flag of Go's.
    #[error("argument {0} is not a flag that vmagent would take")]
    Flag(usize),
    /// Bytes that are no text.
    #[error("{0} is not UTF-8")]
    NotText(String),
    /// A list that vmagent's versions read differently, or a placeholder that it fills in.
    #[error(
        "the value of {0} has a comma in brackets, or a %{{placeholder}}, and vmagent would read more into it"
    )]
    Value(String),
    /// A setting that the buffer has no counterpart for.
    #[error("{0} is set, and the buffer cannot do that in vmagent's place")]
    Unsupported(String),
    /// Nothing to take over.
    #[error("there is no remoteWrite.url, neither as a flag nor in the environment")]
    NoUrl,
    /// What the buffer would refuse; with its reason.
    #[error("the buffer cannot send there: {0}")]
    Refused(String),
}

#[cfg(test)]
mod tests;
