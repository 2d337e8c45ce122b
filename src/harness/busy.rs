//! Work of milliseconds within a task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work` so that other tasks of the runtime go on meanwhile: answers are seen when they come, and not once a body is
/// packed. On a runtime of one thread it just does it.
pub(super) fn busy<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
