//! What a refused push leaves in the log.

use super::*;
use crate::ingest::{Bound, Over, Refusal};
use crate::server::refused::Refused;
use std::io;
use tracing_subscriber::fmt::MakeWriter;

/// A log in memory.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// An empty log, and what writes to it from `level` up.
    pub(super) fn at(level: tracing::Level) -> (Self, impl tracing::Subscriber + Send + Sync) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .without_time()
            .with_writer(log.clone())
            .finish();
        (log, subscriber)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).expect("a log is text").lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Refuses pushes at the given times and returns the lines of the log, from `level` up.
fn logged(level: tracing::Level, refusals: &[(i64, Refused, &str)]) -> Vec<String> {
    let (log, subscriber) = Log::at(level);
    let now = Arc::new(AtomicI64::new(0));
    let clock = now.clone();
    let state = State::new(
        Arc::<FakeQueue>::default(),
        limits(),
        config::Import::default(),
        Arc::new(Metrics::new()),
        Arc::new(crate::status::sample),
        Arc::new(move || clock.load(Ordering::SeqCst)),
    );
    tracing::subscriber::with_default(subscriber, || {
        for (at_ms, refused, path) in refusals {
            now.store(*at_ms, Ordering::SeqCst);
            state.refuse(refused, path, "127.0.0.1:5".parse().unwrap());
        }
    });
    log.lines()
}

fn bad(message: &str) -> Refused {
    Refused::Content(Refusal::Bad(message.into()))
}

#[test]
fn a_broken_pusher_is_warned_of_once_a_minute() {
    let lines = logged(
        tracing::Level::WARN,
        &[
            (1_000, bad("first"), "/a"),
            (2_000, bad("second"), "/a"),
            (3_000, bad("third"), "/a"),
            (3_500, Refused::Busy(Duration::from_secs(1)), "/a"),
            (61_000, bad("fourth"), "/a"),
        ],
    );
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("error=first"), "{lines:#?}");
    assert!(lines[0].contains("suppressed=0") && lines[0].contains("reason=\"bad_request\""), "{lines:#?}");
    assert!(lines[1].contains("reason=\"busy\""), "{lines:#?}");
    assert!(lines[2].contains("error=fourth") && lines[2].contains("suppressed=2"), "{lines:#?}");
}

#[test]
fn each_refusal_is_there_at_debug() {
    let lines = logged(tracing::Level::DEBUG, &[(1_000, bad("first"), "/a"), (2_000, bad("second"), "/a")]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("DEBUG") && lines[1].contains("error=second"), "{lines:#?}");
}

#[test]
fn a_shutdown_turns_pushers_away_without_a_warning() {
    assert_eq!(logged(tracing::Level::WARN, &[(1, Refused::ShuttingDown, "/a")]), Vec::<String>::new());
}

#[test]
fn a_store_failure_is_logged_with_its_cause() {
    let error = AppendError::Store("/var/lib/x: no space left".into());
    let lines = logged(tracing::Level::WARN, &[(1, Refused::from(error), "/a")]);
    assert!(lines[0].contains("/var/lib/x: no space left"), "{lines:#?}");
}

#[test]
fn neither_path_nor_content_can_forge_a_line_of_the_log() {
    let forged = "x\n2026-01-01 ERROR data lost\r\x1b[2J\u{2028}";
    let lines = logged(tracing::Level::DEBUG, &[(1_000, bad(forged), forged), (1_001, bad(forged), forged)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains('\x1b')), "{lines:#?}");
}

#[test]
fn the_answer_is_one_line_whatever_the_content_says() {
    let state = state(Arc::default(), Arc::new(Metrics::new()), limits());
    let answer = state.refuse(&bad("a\nb\r\nc"), "/a", "127.0.0.1:5".parse().unwrap());
    let body = body_text(answer);
    assert_eq!(body.matches(['\n', '\r']).count(), 1, "{body:?}");
}

#[test]
fn every_reason_is_one_of_the_list() {
    let metrics = Arc::new(Metrics::new());
    let state = state(Arc::default(), metrics.clone(), limits());
    let peer = "127.0.0.1:5".parse().unwrap();
    let over =
        |bound| Refused::Content(Refusal::Over(Over { bound, found: 2, most: 1, place: String::new() }));
    let of_bounds = Bound::ALL.map(over);
    let others = [
        bad("x"),
        Refused::Content(Refusal::TooLarge("x".into())),
        Refused::Content(Refusal::Unsupported("x".into())),
        Refused::UnknownPath,
        Refused::Method { allow: "POST" },
        Refused::NoLength,
        Refused::BadChunk("x".into()),
        Refused::TooLarge { limit: 1 },
        Refused::TimedOut { after: Duration::from_secs(1), received: 1 },
        Refused::Truncated { received: 1 },
        Refused::Busy(Duration::from_secs(1)),
        Refused::Store(AppendError::Store("x".into())),
        Refused::Full(AppendError::Full("x".into())),
        Refused::ShuttingDown,
        Refused::Crowded { most: 1, after: Duration::from_secs(1) },
        Refused::Internal,
    ];
    for refused in of_bounds.into_iter().chain(others) {
        let answer = state.refuse(&refused, "/a", peer);
        let retry = answer.headers().contains_key("retry-after");
        assert_eq!(retry, answer.status() == 503, "{refused:?}");
        assert_ne!(answer.status(), 409, "vmagent drops what gets 409");
    }
    let text = metrics.render();
    let reasons = text.lines().filter(|line| line.starts_with("pmm_buffer_pushes_refused_total{"));
    assert_eq!(reasons.count(), crate::telemetry::metrics::REFUSAL_REASONS.len());
    for line in text.lines().filter(|line| line.starts_with("pmm_buffer_pushes_refused_total{")) {
        assert!(!line.ends_with(" 0"), "no refusal has this reason: {line}");
    }
}

/// The body of an answer made in memory.
fn body_text(answer: crate::server::answer::Answer) -> String {
    use http_body_util::BodyExt;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let collected = runtime.block_on(answer.into_body().collect()).expect("it is in memory");
    String::from_utf8(collected.to_bytes().to_vec()).expect("text")
}
