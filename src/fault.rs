//! What a bug may not do: leave an agent that looks alive and does half its work.

/// Ends the process when the thread or task that holds it panics. A service manager starts it again, on what is
/// synced.
pub struct AbortOnPanic {
    /// Who panicked, for the log.
    pub part: &'static str,
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let part = self.part;
            tracing::error!(part, "a fault of the agent: it ends itself, what was answered is on disk");
            std::process::abort();
        }
    }
}
