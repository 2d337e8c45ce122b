//! The handle that gives the committer work.

use super::Position;
use super::shared::Shared;
use crate::model::Push;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// Why a push was not stored. The pusher gets 503 with Retry-After for every one of these.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The store failed to write or sync; the text names the folder, the cause and what to do.
    #[error("cannot store: {0}")]
    Store(String),
    /// There is no room for now: the queue or the file system is full. The text says which.
    #[error("no room: {0}")]
    Full(String),
    /// The agent is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

pub(super) type Reply = oneshot::Sender<Result<Position, AppendError>>;

/// What the committer is asked to do.
pub(super) enum Command {
    Append {
        push: Push,
        accepted_ms: i64,
        reply: Reply,
    },
    /// An upstream's settled position moved.
    Acked,
    /// A reader met damage: what is appended from now on must not depend on what is there.
    Damaged,
    Close,
}

/// Appends pushes; cheap to clone.
#[derive(Clone)]
pub struct Appender {
    /// Has no bound of its own: the memory of what waits is bounded by the server's budget.
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shared: Arc<Shared>,
}

impl Appender {
    /// Stores `push` and returns its position once it is synced to disk.
    ///
    /// `accepted_ms` is when its request arrived, in milliseconds since the epoch.
    /// Dropping the future does not take the push back: it may be stored all the same.
    pub async fn append(&self, push: Push, accepted_ms: i64) -> Result<Position, AppendError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Append { push, accepted_ms, reply };
        self.commands.send(command).map_err(|_| AppendError::ShuttingDown)?;
        answer.await.unwrap_or(Err(AppendError::ShuttingDown))
    }

    /// None while the queue takes appends, else why it does not (for `/ready`).
    pub fn unavailable(&self) -> Option<String> {
        self.shared.unavailable()
    }
}
