//! How `max_memory` is divided. Pure.
//!
//! ```text
//!  max_memory │ the store's buffers │ series dictionaries │ a send batch an upstream │ pushes in flight │
//!               by queue.max_bytes    one to write with,    by max_bytes_per_send      what is left
//!                                     one an upstream
//! ```
//!
//! What the first three may take is set aside whether they take it or not, so that a push which is taken in can be stored
//! and delivered. A push that does not fit into the rest waits, then gets 503.

use super::{Queue, Upstream};

const MIB: u64 = 1 << 20;

/// Bounds what is remembered of the series in an interval of the log: their labels, those that several share once, and
/// what each series takes besides. Where they are more, the labels are written again, and again.
pub const DICTIONARY_BYTES: usize = 32 << 20;
/// What a series takes in a dictionary besides its labels: hash, reference and last value.
pub const SERIES_BYTES: usize = 128;
/// RocksDB's cache of table indexes.
pub const STORE_CACHE_BYTES: usize = 4 << 20;
/// A send batch of so many bytes on the wire is held as read from the log, and with its samples in order.
const BATCH_FORMS: usize = 3;

impl Queue {
    /// Size of one RocksDB write buffer, in bytes. The tables' own are a quarter of it; each has two.
    pub fn write_buffer_bytes(&self) -> u64 {
        (self.max_bytes / 32).clamp(MIB / 16, 4 * MIB)
    }
}

/// What of `max_memory` is set aside for all but the pushes in flight, in bytes.
pub fn set_aside(queue: &Queue, upstreams: &[Upstream]) -> usize {
    let buffers = usize::try_from(queue.write_buffer_bytes() * 5 / 2).unwrap_or(usize::MAX);
    let store = buffers.saturating_add(STORE_CACHE_BYTES);
    let of_upstream = |upstream: &Upstream| {
        upstream.max_bytes_per_send.saturating_mul(BATCH_FORMS).saturating_add(DICTIONARY_BYTES)
    };
    upstreams.iter().map(of_upstream).fold(store.saturating_add(DICTIONARY_BYTES), usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_upstream_takes_a_dictionary_and_a_batch_more() {
        let (queue, upstream) = (Queue::default(), Upstream::new("http://a"));
        let one = set_aside(&queue, std::slice::from_ref(&upstream));
        let two = set_aside(&queue, &[upstream.clone(), upstream.clone()]);
        assert_eq!(one, (10 + 4 + 32 + 32 + 3 * 8) << 20);
        assert_eq!(two - one, DICTIONARY_BYTES + 3 * upstream.max_bytes_per_send);
    }

    #[test]
    fn a_small_queue_has_small_buffers() {
        let queue = |max_bytes| Queue { max_bytes, ..Queue::default() };
        assert_eq!(queue(16 * MIB).write_buffer_bytes(), MIB / 2);
        assert_eq!(queue(1 << 40).write_buffer_bytes(), 4 * MIB);
    }
}
