//! A file a protocol: bytes → [`Push`](crate::model::Push), or a refusal. Pure.
//!
//! A request is taken whole or refused whole, with one line that says what is wrong and where. Only where
//! `import.bad_lines` says so, bad lines are left out of an import.

mod bounds;
pub mod csv;
pub mod encoding;
pub mod exposition;
pub mod import;
pub mod import_json;
mod labels;
mod layout;
pub mod lines;
pub mod native;
pub mod remote_write;

pub use bounds::{Bound, Limits, Over};

use crate::wire::{WireError, WireErrorKind};
use std::borrow::Cow;
use std::fmt::Write;

/// Why a request was refused. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: what is wrong, and where, in one line.
    #[error("{0}")]
    Bad(String),
    /// 413
    #[error("{0}")]
    TooLarge(String),
    /// 413 where smaller requests would be taken, else 400.
    #[error("{0}")]
    Over(Over),
    /// 415
    #[error("{0}")]
    Unsupported(String),
}

impl Refusal {
    /// Puts the place before what is wrong there.
    fn in_place(self, place: &str) -> Self {
        match self {
            Self::Bad(what) => Self::Bad(format!("{place}{what}")),
            Self::TooLarge(what) => Self::TooLarge(format!("{place}{what}")),
            Self::Over(over) => Self::Over(Over { place: format!("{place}{}", over.place), ..over }),
            Self::Unsupported(_) => self,
        }
    }

    /// True where the rest of the request can be taken without the line that this is about.
    fn is_of_one_line(&self) -> bool {
        match self {
            Self::Bad(_) => true,
            Self::Over(over) => !over.bound.is_of_request(),
            Self::TooLarge(_) | Self::Unsupported(_) => false,
        }
    }

    fn in_line(self, number: usize) -> Self {
        self.in_place(&format!("line {number}: "))
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        match error.kind {
            WireErrorKind::TooLarge => Self::TooLarge(format!("protobuf {error}; send smaller requests")),
            WireErrorKind::TooManySymbols { found, most } => bounds::beyond(Bound::Symbols, found, most),
            WireErrorKind::Malformed => Self::Bad(format!("bad protobuf {error}")),
        }
    }
}

/// Longest text that [`one_line`] lets through, in characters.
const MAX_LINE: usize = 400;

/// A text that cannot break out of its line or its log entry: control characters are escaped, and what is
/// longer than a few hundred characters is cut.
pub fn one_line(text: &str) -> Cow<'_, str> {
    // Bidirectional overrides turn the rest of a line around on a terminal.
    let is_unsafe =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.len() <= MAX_LINE && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(MAX_LINE) + 16);
    for (at, c) in text.chars().enumerate() {
        if at == MAX_LINE {
            out.push('…');
            break;
        }
        if is_unsafe(c) {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(one_line("plain, ünï"), "plain, ünï");
        assert_eq!(one_line("a\nb\x1b[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), MAX_LINE + 1);
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(text in "\\PC*|.*") {
            let line = one_line(&text);
            prop_assert!(!line.contains(char::is_control));
        }
    }
}
