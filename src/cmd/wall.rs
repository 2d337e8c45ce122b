//! The wall clock: the one place that reads it.

use crate::clock::epoch_ms;
use std::time::SystemTime;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the one clock that everything else is given")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Now, in milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    epoch_ms(now())
}
