//! The wall clock, as something that is passed in: pure parts take the time as an argument, and what asks for it
//! again and again is given one of these.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock, in milliseconds since the epoch. It may step, in either direction.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// In milliseconds since the epoch; what was before it is 0.
pub fn epoch_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
