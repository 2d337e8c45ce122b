//! Why a push was refused, or lines of it: its answer, its count and its line in the log.

use super::answer::{self, Answer};
use super::{Append, State};
use crate::ingest::lines::Skipped;
use crate::ingest::{Refusal, one_line};
use crate::queue::AppendError;
use crate::telemetry::metrics::ReasonLabel;
use hyper::StatusCode;
use hyper::header::{ALLOW, RETRY_AFTER};
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The body is not what its route takes.
    #[error("{0}")]
    Content(Refusal),
    #[error("no such path; pushes are taken at {}", super::routes::push_paths())]
    UnknownPath,
    #[error("a push is sent here with {allow}")]
    Method { allow: &'static str },
    #[error("a push needs a Content-Length, or chunked transfer coding")]
    NoLength,
    #[error("bad transfer coding: {0}")]
    BadChunk(String),
    #[error("the body is over {limit} bytes (server.max_body_bytes); send smaller requests")]
    TooLarge { limit: usize },
    #[error("the body did not arrive within {} ms (server.read_timeout); {received} bytes did", .after.as_millis())]
    TimedOut { after: Duration, received: usize },
    #[error("the connection ended after {received} bytes of the body; nothing of it was kept")]
    Truncated { received: usize },
    #[error("no memory became free within {} ms (max_memory); try again", .0.as_millis())]
    Busy(Duration),
    #[error("{most} pushes were in flight for {} ms (server.max_bodies); try again", .after.as_millis())]
    Crowded { most: usize, after: Duration },
    #[error("cannot store, try again")]
    Store(#[source] AppendError),
    #[error("{0}; try again")]
    Full(AppendError),
    #[error("shutting down, try again")]
    ShuttingDown,
    #[error("internal fault, see the agent's log")]
    Internal,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Content(refusal)
    }
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::ShuttingDown => Self::ShuttingDown,
            AppendError::Store(_) => Self::Store(error),
            AppendError::Full(_) => Self::Full(error),
        }
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Content(Refusal::Bad(_)) | Self::BadChunk(_) | Self::Truncated { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Content(Refusal::TooLarge(_)) | Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Content(Refusal::Over(over)) if over.bound.is_of_request() => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Content(Refusal::Over(_)) => StatusCode::BAD_REQUEST,
            Self::Content(Refusal::Unsupported(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TimedOut { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) | Self::Crowded { .. } | Self::Store(_) | Self::Full(_) | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One of [`crate::telemetry::metrics::REFUSAL_REASONS`].
    fn reason(&self) -> &'static str {
        match self {
            Self::Content(Refusal::Bad(_)) | Self::BadChunk(_) | Self::NoLength => "bad_request",
            Self::Content(Refusal::TooLarge(_)) | Self::TooLarge { .. } => "too_large",
            Self::Content(Refusal::Over(over)) => over.bound.option(),
            Self::Content(Refusal::Unsupported(_)) => "unsupported",
            Self::UnknownPath | Self::Method { .. } => "unknown_route",
            Self::TimedOut { .. } => "timeout",
            Self::Truncated { .. } => "truncated",
            Self::Busy(_) => "busy",
            Self::Crowded { .. } => "max_bodies",
            Self::Store(_) => "store",
            Self::Full(_) => "full",
            Self::ShuttingDown => "shutdown",
            Self::Internal => "internal",
        }
    }

    /// Seconds after which trying again makes sense: memory is given back with the next sync, a restart
    /// takes a moment, a disk in trouble longer, and one that is full longer still.
    fn retry_after(&self) -> Option<&'static str> {
        match self {
            Self::Busy(_) | Self::Crowded { .. } => Some("1"),
            Self::ShuttingDown => Some("2"),
            Self::Store(_) => Some("5"),
            Self::Full(_) => Some("10"),
            _ => None,
        }
    }

    /// True where the body was read to its end, so that the connection can go on.
    fn has_read_all(&self) -> bool {
        matches!(self, Self::Content(_) | Self::Store(_) | Self::Full(_) | Self::NoLength)
    }

    fn answer(&self) -> Answer {
        let mut answer = answer::line(self.status(), one_line(&self.to_string()).as_ref());
        if let Some(seconds) = self.retry_after() {
            answer = answer::header(answer, RETRY_AFTER, seconds);
        }
        if let Self::Method { allow } = self {
            answer = answer::header(answer, ALLOW, allow);
        }
        if self.has_read_all() { answer } else { answer::closing(answer) }
    }
}

impl<A: Append> State<A> {
    /// Counts and logs a refused push, and answers it.
    pub(super) fn refuse(&self, refused: &Refused, path: &str, peer: SocketAddr) -> Answer {
        let reason = refused.reason();
        self.metrics.pushes_refused.get_or_create(&ReasonLabel { reason }).inc();
        let path = one_line(path);
        let error = match refused {
            Refused::Store(cause) => cause.to_string(),
            other => other.to_string(),
        };
        let error = one_line(&error);
        // A pusher that is turned away while the agent stops is no news.
        match self.may_warn(reason).filter(|_| !matches!(refused, Refused::ShuttingDown)) {
            Some(suppressed) => {
                tracing::warn!(reason, %peer, %path, %error, suppressed, "push refused");
            }
            None => tracing::debug!(reason, %peer, %path, %error, "push refused"),
        }
        refused.answer()
    }

    /// Says that lines of a push were passed over, and what is wrong with the first of them.
    pub(super) fn report_skipped(&self, skipped: &Skipped, path: &str, peer: SocketAddr) {
        let Some(first) = &skipped.first else { return };
        let (lines, path, first) = (skipped.lines, one_line(path), first.to_string());
        let first = one_line(&first);
        match self.may_warn("lines_skipped") {
            Some(suppressed) => {
                tracing::warn!(lines, %peer, %path, %first, suppressed, "bad lines of a push skipped");
            }
            None => tracing::debug!(lines, %peer, %path, %first, "bad lines of a push skipped"),
        }
    }
}
