//! Which segments go, and why. Pure: the table in, a decision out.

use super::mark::{Mark, Position};
use super::segment::Segment;
use crate::config::{self, WhenFull};
use std::collections::VecDeque;

/// What the folder may take, and how it is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Encoded bytes of the records kept.
    pub live_bytes: u64,
    /// What is done beyond them.
    pub when_full: WhenFull,
    /// How long a record is kept, in milliseconds.
    pub max_age_ms: Option<i64>,
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
/// Segments that `max_age` is divided into: what is too old goes so much of it later at most.
const SEGMENTS_OF_AGE: i64 = 8;

impl Limits {
    /// Divides `max_bytes`, the size of the whole folder.
    ///
    /// RocksDB holds some records twice for a while: up to two write buffers in its log, and files of
    /// about as many that wait for deletion. Eight write buffers are set aside for that, a
    /// quarter of the folder at most; the rest is for records, with 2 % for keys, checksums and indexes. Where its
    /// background threads fall further behind, the committer waits for them, see [`Footprint`].
    pub fn of(queue: &config::Queue) -> Self {
        let max_bytes = queue.max_bytes;
        let write_buffer_bytes = queue.write_buffer_bytes();
        let live_bytes = max_bytes.saturating_sub(8 * write_buffer_bytes) / 100 * 98;
        let segment_bytes = (max_bytes / 32).clamp(MIB / 16, 16 * MIB);
        let max_age_ms = queue.max_age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let segment_ms = max_age_ms.map_or(SEGMENT_MS, |age| SEGMENT_MS.min(age / SEGMENTS_OF_AGE));
        Self {
            live_bytes,
            when_full: queue.when_full,
            max_age_ms,
            segment_bytes,
            segment_ms,
            write_buffer_bytes,
        }
    }

    /// True where a queue that holds so many encoded bytes takes nothing more.
    pub fn refuse(&self, live_bytes: u64) -> bool {
        self.when_full == WhenFull::RejectNew && live_bytes >= self.live_bytes
    }
}

/// What the folder takes, without looking at it for each write: its size when it was measured last, and what it may
/// have grown by since.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    measured: u64,
    written: u64,
}

impl Footprint {
    /// The folder was found to take so many bytes.
    pub fn of(bytes: u64) -> Self {
        Self { measured: bytes, written: 0 }
    }

    /// So many encoded bytes were written.
    pub fn write(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// True where the folder may be about to outgrow `max_bytes`: what was written stands in the log and, flushed, in a
    /// file; two write buffers may be on their way.
    pub fn must_be_measured(&self, max_bytes: u64, limits: &Limits) -> bool {
        self.measured + 2 * self.written + 2 * limits.write_buffer_bytes > max_bytes
    }
}

/// True where a file system with `free` bytes has room for pushes and then still `keep` bytes for others.
///
/// RocksDB may write three write buffers without being given anything more: two that are flushed, and the log of
/// a third. Once pushes were refused, there has to be room for as much again, so that they are not taken
/// and refused in turn.
pub fn has_room(free: u64, keep: u64, limits: &Limits, is_refused: bool) -> bool {
    let headroom = limits.write_buffer_bytes * if is_refused { 6 } else { 3 };
    free >= keep.saturating_add(headroom)
}

/// True where the next record, accepted at `now_ms`, must begin a segment of its own.
pub fn must_rotate(active: &Segment, limits: &Limits, now_ms: i64) -> bool {
    let age_ms = now_ms.saturating_sub(active.first_accepted_ms);
    !active.is_empty() && (active.bytes() >= limits.segment_bytes || age_ms >= limits.segment_ms)
}

/// What is to be given up, oldest first. All marks are segment starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Segments before it go whether they are settled or not, because they are too old.
    pub too_old_before: Mark,
    /// Segments before it go whether they are settled or not, because the queue is full.
    pub full_before: Mark,
    /// Everything before it goes: no upstream needs it, or it is one of those above.
    pub keep_from: Mark,
}

/// Decides what goes, at `now_ms` in milliseconds since the epoch. `segments` are contiguous and begin with the first
/// record kept; the last is the active one and always stays. No upstream needs what lies before `needed`.
pub fn decide(segments: &VecDeque<Segment>, needed: Position, limits: &Limits, now_ms: i64) -> Decision {
    let kept = segments.front().map_or(Mark::default(), |first| first.start);
    let mut decision = Decision { too_old_before: kept, full_before: kept, keep_from: kept };
    let Some(active) = segments.back() else { return decision };
    let too_old_ms = limits.max_age_ms.map(|age| now_ms.saturating_sub(age));
    for segment in segments.iter().take(segments.len() - 1) {
        let live = active.end.bytes - segment.start.bytes;
        let is_too_old = too_old_ms.is_some_and(|too_old_ms| segment.last_accepted_ms < too_old_ms);
        let is_too_much = limits.when_full == WhenFull::DropOldest && live > limits.live_bytes;
        if is_too_old && decision.full_before == kept {
            decision.too_old_before = segment.end;
        } else if is_too_old || is_too_much {
            decision.full_before = segment.end;
        } else if segment.end.position > needed {
            break;
        }
        decision.keep_from = segment.end;
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(position: u64) -> Mark {
        Mark { position, samples: position, bytes: position * 100 }
    }

    /// Segments of ten records and 1000 bytes each, accepted in one second each; the last is the active one.
    fn table(count: u64) -> VecDeque<Segment> {
        (0..count)
            .map(|n| Segment {
                start: mark(n * 10),
                end: mark(n * 10 + 10),
                first_accepted_ms: n as i64 * 1_000,
                last_accepted_ms: n as i64 * 1_000 + 999,
            })
            .collect()
    }

    fn of(max_bytes: u64) -> Limits {
        Limits::of(&config::Queue { max_bytes, ..config::Queue::default() })
    }

    fn limits(live_bytes: u64) -> Limits {
        Limits { live_bytes, ..of(1 << 30) }
    }

    #[test]
    fn what_nobody_needs_goes_by_whole_segments() {
        let decision = decide(&table(5), 29, &limits(u64::MAX), 0);
        assert_eq!(decision, Decision { keep_from: mark(20), too_old_before: mark(0), full_before: mark(0) });
    }

    #[test]
    fn a_full_queue_gives_up_its_oldest_segments() {
        let decision = decide(&table(5), 5, &limits(2_500), 0);
        assert_eq!(
            decision,
            Decision { keep_from: mark(30), too_old_before: mark(0), full_before: mark(30) }
        );
    }

    #[test]
    fn a_queue_that_refuses_gives_up_nothing_and_refuses_from_its_limit_on() {
        let limits = Limits { when_full: WhenFull::RejectNew, ..limits(2_500) };
        assert_eq!(decide(&table(5), 15, &limits, 0).keep_from, mark(10));
        assert!(!limits.refuse(2_499) && limits.refuse(2_500));
        assert!(!Limits { when_full: WhenFull::DropOldest, ..limits }.refuse(u64::MAX));
    }

    #[test]
    fn what_is_too_old_goes_and_is_told_from_what_is_too_much() {
        let limits = Limits { max_age_ms: Some(2_000), ..limits(2_500) };
        let decision = decide(&table(5), 0, &limits, 3_500);
        assert_eq!(
            decision,
            Decision { too_old_before: mark(10), full_before: mark(30), keep_from: mark(30) }
        );
        let decision = decide(&table(5), 0, &Limits { live_bytes: u64::MAX, ..limits }, 1 << 40);
        assert_eq!(decision.too_old_before, mark(40), "the active segment stays");
        assert_eq!(decision.keep_from, mark(40));
    }

    #[test]
    fn the_active_segment_stays_whatever_the_limit() {
        let decision = decide(&table(3), 30, &limits(0), 0);
        assert_eq!(decision.keep_from, mark(20));
    }

    #[test]
    fn a_folder_is_measured_when_it_may_be_near_its_limit() {
        let limits = of(16 << 20);
        let buffers = 2 * limits.write_buffer_bytes;
        let mut footprint = Footprint::of(1_000);
        assert!(!footprint.must_be_measured(1_000 + buffers, &limits));
        footprint.write(500);
        assert!(!footprint.must_be_measured(2_000 + buffers, &limits));
        assert!(footprint.must_be_measured(1_999 + buffers, &limits));
        let footprint = Footprint::of(900);
        assert!(!footprint.must_be_measured(1_000 + buffers, &limits));
    }

    #[test]
    fn room_is_what_leaves_others_their_share_and_more_where_there_was_none() {
        let limits = of(1 << 30);
        let headroom = 3 * limits.write_buffer_bytes;
        assert!(has_room(1_000 + headroom, 1_000, &limits, false));
        assert!(!has_room(999 + headroom, 1_000, &limits, false));
        assert!(!has_room(1_000 + headroom, 1_000, &limits, true));
        assert!(has_room(1_000 + 2 * headroom, 1_000, &limits, true));
    }

    #[test]
    fn a_segment_ends_by_size_or_by_age_and_never_empty() {
        let limits = Limits { segment_bytes: 1_000, segment_ms: 60, ..of(1 << 30) };
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
        fn what_stays_fits_or_is_one_segment(
            count in 1..20u64, needed in 0..200u64, live in 0..25_000u64, now_ms in 0..40_000i64, max_age in 0..9_000i64,
        ) {
            let (segments, limits) = (table(count), Limits { max_age_ms: Some(max_age), ..limits(live) });
            let decision = decide(&segments, needed, &limits, now_ms);
            let kept = (count * 10 - decision.keep_from.position) * 100;
            prop_assert!(kept <= live.max(1_000) , "{kept} bytes stay of {live}");
            let reasons = decision.too_old_before.position.max(decision.full_before.position);
            prop_assert!(reasons <= decision.keep_from.position);
            prop_assert!(decision.full_before == mark(0) || decision.too_old_before.position <= decision.full_before.position);
            prop_assert_eq!(decision.keep_from.position % 10, 0);
            for segment in segments.iter().take(count as usize - 1) {
                let goes = segment.end.position <= decision.keep_from.position;
                prop_assert!(goes || segment.last_accepted_ms >= now_ms - max_age, "too old: {segment:?}");
            }
        }

        #[test]
        fn the_parts_of_a_folder_fit_into_it(max_bytes in (16u64 << 20)..(1 << 40)) {
            let limits = of(max_bytes);
            prop_assert!(limits.live_bytes + 8 * limits.write_buffer_bytes <= max_bytes);
            prop_assert!(limits.live_bytes > max_bytes / 2);
            prop_assert!(4 * limits.segment_bytes < limits.live_bytes, "dropping one must leave most of it");
        }
    }
}
