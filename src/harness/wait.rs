//! Waiting in tests: for a condition, never for a time.

use std::time::Duration;
use tokio::time::Instant;

/// Bounds every wait of a test. Reached only where a test fails.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
