//! Which metadata goes on. Remote write 2.0 repeats it with every scrape of a series; 1.0, which goes out, has it beside the
//! series, and its senders say it once a minute. Repeated each time, it would take more room than the samples.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

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
    /// True where `field`, which came at `now_ms`, is to go on.
    pub(super) fn is_due(&self, field: &[u8], now_ms: i64) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= MOST {
            sent.clear();
        }
        let before = sent.entry(xxh3_64(field)).or_insert(i64::MIN);
        // Also where the clock was set back.
        let is_due = now_ms.checked_sub(*before).is_none_or(|since| !(0..INTERVAL_MS).contains(&since));
        if is_due {
            *before = now_ms;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_goes_on_once_a_minute() {
        let metadata = Metadata::default();
        let due = |field: &[u8], now_ms| metadata.is_due(field, now_ms);
        assert!(due(b"a", 0) && due(b"b", 0));
        assert!(!due(b"a", INTERVAL_MS - 1) && due(b"a", INTERVAL_MS));
        assert!(due(b"a", 5), "the clock was set back");
    }

    #[test]
    fn it_does_not_remember_without_end() {
        let metadata = Metadata::default();
        (0..MOST as u64 * 3).for_each(|family| assert!(metadata.is_due(&family.to_le_bytes(), 0)));
        assert!(metadata.sent.lock().unwrap().len() <= MOST);
    }
}
