//! Waiting in tests: for a condition, never for a time.

use std::time::Duration;
use tokio::time::Instant;

/// Bounds every wait of a test. Reached only where a test fails; long, as test machines are shared.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Wait between two looks.
const POLL: Duration = Duration::from_millis(2);

/// Waits until `condition` holds. Panics where it never does.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_async(what, async || condition()).await;
}

/// Waits until `condition`, which has to ask for it, holds. Panics where it never does.
pub async fn until_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(POLL).await;
    }
}
