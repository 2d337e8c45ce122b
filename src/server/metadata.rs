//! Which metadata goes on. Remote write 2.0 repeats it with every scrape of a series; 1.0, which goes out, has it beside the
//! series, and its senders say it once a minute. Repeated each time, it would take more room than the samples.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use twox_hash::XxHash3_64;

/// The same is sent again after this long, as Prometheus does (`metadata_config.send_interval`): an upstream may have been
/// replaced.
const INTERVAL_MS: i64 = 60_000;
/// Families that are remembered; where there are more, some are sent more often.
const MOST: usize = 16_384;

/// When each piece of metadata went on last, by its hash.
#[derive(Default)]
pub(super) struct Metadata {
    sent: Mutex<HashMap<u64, i64>>,
}

impl Metadata {
    /// Of a push that came at `now_ms`.
    pub(super) fn of_push(&self, now_ms: i64) -> Due<'_> {
        Due { metadata: self, now_ms, noted: Vec::new() }
    }

    fn sent(&self) -> MutexGuard<'_, HashMap<u64, i64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metadata of one push that is to go on. Dropped without [`Due::stored`] it goes on with the next one.
pub(super) struct Due<'a> {
    metadata: &'a Metadata,
    now_ms: i64,
    /// Hashes of what goes on with this push.
    noted: Vec<u64>,
}

impl Due<'_> {
    /// True where `field` is to go on.
    pub(super) fn is_due(&mut self, field: &[u8]) -> bool {
        let mut sent = self.metadata.sent();
        if sent.len() >= MOST {
            sent.clear();
        }
        let hash = XxHash3_64::oneshot(field);
        let before = sent.entry(hash).or_insert(i64::MIN);
        // Also where the clock was set back.
        let is_due = self.now_ms.checked_sub(*before).is_none_or(|since| !(0..INTERVAL_MS).contains(&since));
        if is_due {
            *before = self.now_ms;
            self.noted.push(hash);
        }
        is_due
    }

    /// The push is in the queue.
    pub(super) fn stored(mut self) {
        self.noted.clear();
    }
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        if !self.noted.is_empty() {
            let mut sent = self.metadata.sent();
            for hash in &self.noted {
                sent.remove(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_goes_on_once_a_minute() {
        let metadata = Metadata::default();
        let due = |field: &[u8], now_ms| {
            let mut due = metadata.of_push(now_ms);
            let is_due = due.is_due(field);
            due.stored();
            is_due
        };
        assert!(due(b"a", 0) && due(b"b", 0));
        assert!(!due(b"a", INTERVAL_MS - 1) && due(b"a", INTERVAL_MS));
        assert!(due(b"a", 5), "the clock was set back");
    }

    #[test]
    fn what_a_refused_push_had_goes_on_with_the_next() {
        let metadata = Metadata::default();
        let mut refused = metadata.of_push(0);
        assert!(refused.is_due(b"a"));
        drop(refused);
        let mut stored = metadata.of_push(1);
        assert!(stored.is_due(b"a"));
        stored.stored();
        assert!(!metadata.of_push(2).is_due(b"a"));
    }

    #[test]
    fn it_does_not_remember_without_end() {
        let metadata = Metadata::default();
        let mut due = metadata.of_push(0);
        (0..MOST as u64 * 3).for_each(|family| assert!(due.is_due(&family.to_le_bytes())));
        assert!(metadata.sent.lock().unwrap().len() <= MOST);
    }
}
