//! What is known of one upstream from outside: for status and metrics.

use crate::service::Heartbeat;
use crate::status::UpstreamState;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// Written by the worker, read by anyone.
#[derive(Debug)]
pub struct Progress {
    pub name: String,
    /// Beats at each turn of the task.
    pub heartbeat: Heartbeat,
    state: Mutex<Snapshot>,
}

/// One moment of it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub state: UpstreamState,
    /// One line without secrets; none once a batch was settled after it.
    pub last_error: Option<String>,
    /// Of a failed attempt: the label `reason` of `pmm_buffer_batches_retried_total`.
    pub last_reason: Option<&'static str>,
    pub down_since: Option<Instant>,
    pub retry_at: Option<Instant>,
    /// Since the start of the process.
    pub samples_sent: u64,
    pub samples_rejected: u64,
    /// The URL in use, by its place in `urls`.
    pub url: usize,
}

impl Progress {
    pub(super) fn new(name: String) -> Self {
        let state = Snapshot {
            state: UpstreamState::Unknown,
            last_error: None,
            last_reason: None,
            down_since: None,
            retry_at: None,
            samples_sent: 0,
            samples_rejected: 0,
            url: 0,
        };
        Self { name, heartbeat: Heartbeat::default(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, Snapshot> {
        // Plain numbers: whoever panicked while writing them left nothing half done that matters.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn snapshot(&self) -> Snapshot {
        self.state().clone()
    }

    pub(super) fn samples_sent(&self) -> u64 {
        self.state().samples_sent
    }

    pub(super) fn sent(&self, samples: u64) {
        self.state().samples_sent += samples;
    }

    pub(super) fn rejected(&self, samples: u64) {
        self.state().samples_rejected += samples;
    }

    pub(super) fn failed(&self, error: &str, reason: Option<&'static str>, down_since: Option<Instant>) {
        let mut state = self.state();
        state.state = UpstreamState::Down;
        state.last_error = Some(error.to_owned());
        state.last_reason = reason;
        state.down_since = down_since;
    }

    pub(super) fn settled(&self) {
        let mut state = self.state();
        state.state = UpstreamState::Up;
        state.last_error = None;
        state.last_reason = None;
        state.down_since = None;
    }

    pub(super) fn uses_url(&self, url: usize) {
        self.state().url = url;
    }

    pub(super) fn waits_until(&self, until: Option<Instant>) {
        self.state().retry_at = until;
    }
}
