//! The wall clock, as something that is passed in: pure parts take the time as an argument, and what asks for it
//! again and again is given one of these.

use std::sync::Arc;

/// Wall clock, in milliseconds since the epoch. It may step, in either direction.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
