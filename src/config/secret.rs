//! Values that are never printed, and where they come from.

use std::fmt;
use std::path::PathBuf;

/// A secret in memory: never printed, by `Debug` or otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What stands for a secret wherever one would be printed.
    pub const MASK: &'static str = "<secret>";

    /// Takes a secret in.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. Call it only where a header or a handshake is made.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

/// Where a secret comes from; files are read again for each connection, so that a token can be rotated
/// without a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration itself, or in the environment.
    Inline(Secret),
    /// In a file, whose surrounding white space does not count.
    File(PathBuf),
}
