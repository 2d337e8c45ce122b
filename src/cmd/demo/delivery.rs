//! How far delivery has come.

use std::ops::Sub;

/// How far delivery has come, in samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// Delivered so far; for a real server, by the agent since it started.
    pub(super) samples: u64,
    /// Answered and not delivered.
    pub(super) held: u64,
    pub(super) wire: Wire,
}

/// What went to the upstream, repeats included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub(super) samples: u64,
    /// Bodies as sent; for a real server, with the HTTP heads.
    pub(super) bytes: u64,
}

impl Sub for Wire {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            samples: self.samples.saturating_sub(before.samples),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}
