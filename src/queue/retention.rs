//! Which segments go, and why. Pure: the table in, a decision out.

use super::position::{Chain, Mark};
use super::segment::Segment;
use std::collections::VecDeque;

/// What the folder may take, and how it is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Encoded bytes of the records kept.
    pub live_bytes: u64,
    /// A segment is closed when it holds this much…
    pub segment_bytes: u64,
    /// …or when its first record is this old.
    pub segment_ms: i64,
    /// Size of one RocksDB write buffer.
    pub write_buffer_bytes: u64,
}

const MIB: u64 = 1 << 20;
/// An hour of a small host is a megabyte or two, and its labels are written once.
const SEGMENT_MS: i64 = 60 * 60 * 1000;

impl Limits {
    /// Divides `max_bytes`, the size of the whole folder.
    ///
    /// RocksDB holds some records twice for a while: up to two write buffers in its log (which it allocates
    /// ahead), and files of about as many that wait for deletion. Half a dozen write buffers are set aside for
    /// that, 3/16 of the folder at most; the rest is for records, with 2 % for keys, checksums and indexes.
    pub fn of(max_bytes: u64) -> Self {
        let write_buffer_bytes = (max_bytes / 32).clamp(MIB / 16, 4 * MIB);
        let live_bytes = max_bytes.saturating_sub(6 * write_buffer_bytes) / 100 * 98;
        let segment_bytes = (max_bytes / 32).clamp(MIB / 16, 16 * MIB);
        Self { live_bytes, segment_bytes, segment_ms: SEGMENT_MS, write_buffer_bytes }
    }
}

/// True where the next record, accepted at `now_ms`, must begin a segment of its own.
pub fn must_rotate(active: &Segment, limits: &Limits, now_ms: i64) -> bool {
    let age_ms = now_ms.saturating_sub(active.first_accepted_ms);
    !active.is_empty() && (active.bytes() >= limits.segment_bytes || age_ms >= limits.segment_ms)
}

/// What is to be given up, oldest first. Both marks are segment starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Everything before it is settled by every upstream, or dropped.
    pub keep_from: Mark,
    /// Segments before it go whether they are settled or not, because the queue is full.
    pub drop_before: Mark,
}

/// Decides what goes. `segments` are contiguous, the last is the active one and always stays.
pub fn decide(segments: &VecDeque<Segment>, chain: &Chain, limits: &Limits) -> Decision {
    let kept = chain.trimmed();
    let mut decision = Decision { keep_from: kept, drop_before: kept };
    let Some(active) = segments.back() else { return decision };
    let settled = chain.acked_by_all().position;
    for segment in segments.iter().take(segments.len() - 1) {
        let live = active.end.bytes - segment.start.bytes;
        let is_settled = segment.end.position <= settled;
        let is_too_much = live > limits.live_bytes;
        if !is_settled && !is_too_much {
            break;
        }
        decision.keep_from = segment.end;
        if !is_settled {
            decision.drop_before = segment.end;
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::position::Cursor;
    use proptest::prelude::*;

    fn mark(position: u64) -> Mark {
        Mark { position, samples: position, bytes: position * 100 }
    }

    /// Segments of ten records and 1000 bytes each; the last is the active one.
    fn table(count: u64) -> VecDeque<Segment> {
        (0..count)
            .map(|n| Segment {
                start: mark(n * 10),
                end: mark(n * 10 + 10),
                first_accepted_ms: 0,
                last_accepted_ms: 0,
            })
            .collect()
    }

    fn chain(segments: u64, acked: &[u64]) -> Chain {
        let cursors = acked.iter().map(|&at| Cursor::at(mark(at), None)).collect();
        Chain::new(mark(0), mark(segments * 10), cursors)
    }

    fn limits(live_bytes: u64) -> Limits {
        Limits { live_bytes, ..Limits::of(1 << 30) }
    }

    #[test]
    fn what_the_slowest_upstream_settled_goes_by_whole_segments() {
        let decision = decide(&table(5), &chain(5, &[45, 29]), &limits(u64::MAX));
        assert_eq!(decision, Decision { keep_from: mark(20), drop_before: mark(0) });
    }

    #[test]
    fn a_full_queue_gives_up_its_oldest_segments() {
        let decision = decide(&table(5), &chain(5, &[50, 5]), &limits(2_500));
        assert_eq!(decision, Decision { keep_from: mark(30), drop_before: mark(30) });
    }

    #[test]
    fn the_active_segment_stays_whatever_the_limit() {
        let decision = decide(&table(3), &chain(3, &[30]), &limits(0));
        assert_eq!(decision.keep_from, mark(20));
    }

    #[test]
    fn a_segment_ends_by_size_or_by_age_and_never_empty() {
        let limits = Limits { segment_bytes: 1_000, segment_ms: 60, ..Limits::of(1 << 30) };
        let mut segment = Segment::begin(mark(0));
        assert!(!must_rotate(&segment, &limits, i64::MAX));
        segment.add(mark(1), 1_000);
        assert!(!must_rotate(&segment, &limits, 1_059));
        assert!(must_rotate(&segment, &limits, 1_060));
        segment.add(mark(10), 1_000);
        assert!(must_rotate(&segment, &limits, 1_000));
    }

    proptest! {
        #[test]
        fn what_stays_fits_or_is_one_segment(count in 1..20u64, acked in 0..200u64, live in 0..25_000u64) {
            let (segments, limits) = (table(count), limits(live));
            let decision = decide(&segments, &chain(count, &[acked]), &limits);
            let kept = (count * 10 - decision.keep_from.position) * 100;
            prop_assert!(kept <= live.max(1_000) , "{kept} bytes stay of {live}");
            prop_assert!(decision.drop_before.position <= decision.keep_from.position);
            prop_assert_eq!(decision.keep_from.position % 10, 0);
        }

        #[test]
        fn the_parts_of_a_folder_fit_into_it(max_bytes in (16u64 << 20)..(1 << 40)) {
            let limits = Limits::of(max_bytes);
            prop_assert!(limits.live_bytes + 6 * limits.write_buffer_bytes <= max_bytes);
            prop_assert!(limits.live_bytes > max_bytes / 2);
            prop_assert!(4 * limits.segment_bytes < limits.live_bytes, "dropping one must leave most of it");
        }
    }
}
