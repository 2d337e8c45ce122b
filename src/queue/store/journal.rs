//! What RocksDB has to say goes to the agent's log, not to files of its own: they would be half of a small queue.

use crate::telemetry::throttle::Throttle;
use rocksdb::{InfoLogger, LogLevel};
use std::sync::Mutex;
use std::time::Instant;

/// Takes RocksDB's lines from warnings up. Its errors are the agent's warnings: where one costs data or needs an operator,
/// the agent says so itself. They come again and again while something fails, so that most are held back.
pub(super) fn logger() -> InfoLogger {
    let (started, throttle) = (Instant::now(), Mutex::new(Throttle::default()));
    InfoLogger::new_callback_logger(LogLevel::Warn, move |level, line| {
        let line = line.trim();
        // RocksDB writes its options as headers, which are above all levels.
        match level {
            LogLevel::Error | LogLevel::Fatal => {
                let now_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                let noted = throttle.lock().map(|mut throttle| throttle.note("error", now_ms));
                if let Ok(Some(suppressed)) = noted {
                    tracing::warn!(line, suppressed, "RocksDB reports an error");
                }
            }
            LogLevel::Warn => tracing::debug!(line, "RocksDB warns"),
            LogLevel::Header | LogLevel::Info | LogLevel::Debug => {}
        }
    })
}
