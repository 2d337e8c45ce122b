//! What an answer means: one table by kind of upstream. Pure. The table in words is in docs/replay.md.

use super::batch::Packing;
use crate::config::UpstreamKind;
use std::time::Duration;

/// An answer of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The beginning of its body, in one line.
    pub text: String,
}

/// Why an attempt got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, no such name, a TLS handshake that failed.
    Connect,
    /// The request's deadline passed.
    Timeout,
    /// The connection broke before the answer was there.
    Broken,
    /// The request could not be made: a credential or certificate file does not read.
    Setup,
    /// The token server of `oauth2` gives no token.
    Token,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered(Answer),
    Failed {
        failure: Failure,
        /// One line, without secrets.
        error: String,
        /// It broke on a connection that had carried a request before, or that one had ended right after its last answer: the
        /// upstream closes connections while they are idle, or it went down in the meantime and is back.
        is_stale: bool,
    },
}

impl Outcome {
    /// True where the upstream could not be reached, or was lost on the way: a change of the network may mend it.
    pub fn is_unanswered(&self) -> bool {
        let Self::Failed { failure, is_stale, .. } = self else { return false };
        !is_stale && matches!(failure, Failure::Connect | Failure::Timeout | Failure::Broken)
    }

    /// True where the upstream may have gone down, and with it what it had answered and not yet flushed: no answer, or
    /// one that a proxy gives for a server that is away. A server that was started again at once, or another node that took over
    /// its address, shows by nothing but a connection that ended.
    pub fn is_sign_of_a_crash(&self) -> bool {
        match self {
            Self::Answered(answer) => (500..=599).contains(&answer.status),
            Self::Failed { is_stale, .. } => *is_stale || self.is_unanswered(),
        }
    }
}

/// What is to be done after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// The upstream is in no state to take it, or the agent has no access: the same again later.
    Retry {
        /// Value of the label `reason` of `pmm_buffer_batches_retried_total`.
        reason: &'static str,
        /// What the upstream asked for.
        wait: Option<Duration>,
    },
    /// It does not understand zstd: the same at once in snappy.
    Repack,
    /// Too large: the halves of it.
    Split,
    /// It will never take this content: find the part it means, and set that aside.
    Reject {
        reason: &'static str,
    },
}

impl Verdict {
    pub fn of(kind: UpstreamKind, packing: Packing, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Failed { failure, .. } => Self::Retry { reason: failure.reason(), wait: None },
            Outcome::Answered(answer) => answered(kind, packing, answer),
        }
    }
}

impl Failure {
    fn reason(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Setup => "setup",
            Self::Token => "auth",
        }
    }
}

fn answered(kind: UpstreamKind, packing: Packing, answer: &Answer) -> Verdict {
    let retry = |reason| Verdict::Retry { reason, wait: answer.retry_after };
    let is_pmm = kind == UpstreamKind::Pmm;
    match answer.status {
        204 => Verdict::Delivered,
        // Nothing behind PMM's write path answers 200: a login page or a proxy did.
        200..=299 if is_pmm => retry("unexpected_status"),
        200..=299 => Verdict::Delivered,
        300..=399 => retry("redirect"),
        // An upstream without zstd cannot read the body, and says so in either way.
        400 | 415 if packing == Packing::Zstd => Verdict::Repack,
        400 => Verdict::Reject { reason: "bad_request" },
        // They speak of the sender's access or the path, which an operator mends; the content is fine.
        401 | 403 | 407 => retry("auth"),
        404 | 405 => retry("not_found"),
        408 => retry("timeout"),
        413 => Verdict::Split,
        422 => Verdict::Reject { reason: "unprocessable" },
        425 | 429 => retry("busy"),
        // PMM Server itself has no other word against content: what says so stands in between.
        400..=499 if is_pmm => retry("unexpected_status"),
        402..=499 => Verdict::Reject { reason: "refused" },
        503 => retry("busy"),
        500..=599 => retry("server_error"),
        _ => retry("unexpected_status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpstreamKind::{Pmm, Prometheus};

    fn verdict(kind: UpstreamKind, packing: Packing, status: u16) -> Verdict {
        let answer = Answer { status, retry_after: Some(Duration::from_secs(7)), text: String::new() };
        Verdict::of(kind, packing, &Outcome::Answered(answer))
    }

    fn retry(reason: &'static str) -> Verdict {
        Verdict::Retry { reason, wait: Some(Duration::from_secs(7)) }
    }

    #[test]
    fn the_table_row_by_row() {
        let reject = |reason| Verdict::Reject { reason };
        let rows: &[(u16, Verdict, Verdict)] = &[
            (100, retry("unexpected_status"), retry("unexpected_status")),
            (200, retry("unexpected_status"), Verdict::Delivered),
            (202, retry("unexpected_status"), Verdict::Delivered),
            (204, Verdict::Delivered, Verdict::Delivered),
            (301, retry("redirect"), retry("redirect")),
            (308, retry("redirect"), retry("redirect")),
            (400, reject("bad_request"), reject("bad_request")),
            (401, retry("auth"), retry("auth")),
            (403, retry("auth"), retry("auth")),
            (404, retry("not_found"), retry("not_found")),
            (405, retry("not_found"), retry("not_found")),
            (407, retry("auth"), retry("auth")),
            (408, retry("timeout"), retry("timeout")),
            (409, retry("unexpected_status"), reject("refused")),
            (413, Verdict::Split, Verdict::Split),
            (415, retry("unexpected_status"), reject("refused")),
            (422, reject("unprocessable"), reject("unprocessable")),
            (425, retry("busy"), retry("busy")),
            (429, retry("busy"), retry("busy")),
            (500, retry("server_error"), retry("server_error")),
            (502, retry("server_error"), retry("server_error")),
            (503, retry("busy"), retry("busy")),
            (504, retry("server_error"), retry("server_error")),
            (600, retry("unexpected_status"), retry("unexpected_status")),
        ];
        for &(status, pmm, prometheus) in rows {
            assert_eq!(verdict(Pmm, Packing::Snappy, status), pmm, "pmm {status}");
            assert_eq!(verdict(Prometheus, Packing::Snappy, status), prometheus, "prometheus {status}");
            let zstd = |snappy| if matches!(status, 400 | 415) { Verdict::Repack } else { snappy };
            assert_eq!(verdict(Pmm, Packing::Zstd, status), zstd(pmm), "pmm {status} to zstd");
            assert_eq!(
                verdict(Prometheus, Packing::Zstd, status),
                zstd(prometheus),
                "prometheus {status} to zstd"
            );
        }
    }

    #[test]
    fn no_answer_is_always_tried_again() {
        for failure in [Failure::Connect, Failure::Timeout, Failure::Broken, Failure::Setup, Failure::Token] {
            let outcome = Outcome::Failed { failure, error: String::new(), is_stale: false };
            for kind in [Pmm, Prometheus] {
                let verdict = Verdict::of(kind, Packing::Zstd, &outcome);
                assert!(matches!(verdict, Verdict::Retry { wait: None, .. }), "{failure:?}");
            }
        }
    }

    #[test]
    fn signs_of_a_crash_are_silence_and_server_errors() {
        let failed = |failure, is_stale| Outcome::Failed { failure, error: String::new(), is_stale };
        assert!(failed(Failure::Connect, false).is_sign_of_a_crash());
        assert!(failed(Failure::Timeout, false).is_sign_of_a_crash());
        assert!(failed(Failure::Broken, false).is_sign_of_a_crash());
        assert!(failed(Failure::Broken, true).is_sign_of_a_crash(), "it may be back already");
        assert!(!failed(Failure::Setup, false).is_sign_of_a_crash());
        assert!(!failed(Failure::Token, false).is_sign_of_a_crash(), "another server than the upstream");
        for (status, is_sign) in
            [(204, false), (401, false), (429, false), (500, true), (502, true), (503, true)]
        {
            let answer = Answer { status, retry_after: None, text: String::new() };
            assert_eq!(Outcome::Answered(answer).is_sign_of_a_crash(), is_sign, "{status}");
        }
    }

    #[test]
    fn nothing_is_given_up_for_pmm_but_what_it_cannot_read() {
        for status in 100..1000 {
            let rejected = matches!(verdict(Pmm, Packing::Snappy, status), Verdict::Reject { .. });
            assert_eq!(rejected, matches!(status, 400 | 422), "{status}");
        }
    }
}
