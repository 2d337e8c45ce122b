//! The segment table of a damaged store, made anew from its records. Pure.
//!
//! What was lost leaves no hole in the running totals: every record says what lay before it, and so does what is left of
//! the old table. A gap becomes part of the segment before it, and a reader that finds no records there counts what
//! they held.

use super::Position;
use super::mark::Mark;
use super::record::Header;
use super::segment::Segment;

/// True where a table needs no mending: its segments follow each other, and no upstream needs what lies before them.
pub fn is_sound(segments: &[Segment], acked: impl Iterator<Item = Mark>) -> bool {
    let first = segments.first().map_or(0, |first| first.start.position);
    segments.windows(2).all(|pair| pair[0].end == pair[1].start)
        && acked.min_by_key(|mark| mark.position).is_none_or(|acked| acked.position >= first)
}

/// Makes a table from the records that can be read, in their order.
pub struct Rebuild {
    segment_bytes: u64,
    segments: Vec<Segment>,
}

impl Rebuild {
    /// Segments of about `segment_bytes`.
    pub fn new(segment_bytes: u64) -> Self {
        Self { segment_bytes, segments: Vec::new() }
    }

    /// Takes in a record of `bytes`, header and payload. One that contradicts those before it is passed over.
    pub fn add(&mut self, position: Position, header: &Header, bytes: u64) {
        let start = header.mark(position);
        let end = start.after(u64::from(header.samples), bytes);
        match self.segments.last_mut() {
            None => self.segments.push(Segment::begin(start)),
            Some(last) if !follows(last.end, start) => return,
            // Only where nothing depends on what is before it: a segment is released alone.
            Some(last) if header.since_restart == 0 && last.bytes() >= self.segment_bytes => {
                last.end = start;
                self.segments.push(Segment::begin(start));
            }
            Some(_) => {}
        }
        if let Some(last) = self.segments.last_mut() {
            last.add(end, header.accepted_ms);
        }
    }

    /// The table. `from` is where it has to begin at the latest and `to` where it has to end at the earliest, as far as that
    /// is known otherwise: what lies between there and the records is lost, and counted as part of the table.
    pub fn finish(mut self, from: Option<Mark>, to: Option<Mark>) -> Vec<Segment> {
        if self.segments.is_empty() {
            self.segments.extend(from.or(to).map(Segment::begin));
        }
        if let (Some(first), Some(from)) = (self.segments.first_mut(), from)
            && follows(from, first.start)
        {
            first.start = from;
        }
        if let (Some(last), Some(to)) = (self.segments.last_mut(), to)
            && follows(last.end, to)
        {
            last.end = to;
        }
        self.segments
    }
}

fn follows(end: Mark, start: Mark) -> bool {
    end.position <= start.position && end.samples <= start.samples && end.bytes <= start.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(position: u64) -> Mark {
        Mark { position, samples: position * 10, bytes: position * 100 }
    }

    fn segment(from: u64, to: u64) -> Segment {
        let (first_accepted_ms, last_accepted_ms) = (from as i64, to as i64);
        Segment { start: mark(from), end: mark(to), first_accepted_ms, last_accepted_ms }
    }

    fn header(position: u64, since_restart: u32) -> Header {
        Header {
            accepted_ms: position as i64,
            samples: 10,
            wire_len: 0,
            samples_before: position * 10,
            bytes_before: position * 100,
            since_restart,
        }
    }

    #[test]
    fn a_table_with_a_gap_or_short_of_what_is_needed_is_not_sound() {
        let acked = |at| std::iter::once(mark(at));
        assert!(is_sound(&[segment(2, 5), segment(5, 9)], acked(2)));
        assert!(!is_sound(&[segment(2, 5), segment(6, 9)], acked(2)));
        assert!(!is_sound(&[segment(2, 5), segment(4, 9)], acked(2)));
        assert!(!is_sound(&[segment(2, 5), segment(5, 9)], acked(1)));
        assert!(is_sound(&[], acked(0)) && is_sound(&[], std::iter::empty()));
    }

    #[test]
    fn what_is_known_to_have_been_there_is_part_of_the_table() {
        let mut rebuild = Rebuild::new(1 << 20);
        rebuild.add(5, &header(5, 0), 100);
        let table = rebuild.finish(Some(mark(3)), Some(mark(9)));
        assert_eq!((table[0].start, table[0].end, table.len()), (mark(3), mark(9), 1));
        let table = Rebuild::new(1).finish(Some(mark(3)), Some(mark(9)));
        assert_eq!((table[0].start, table[0].end), (mark(3), mark(9)), "all of it is lost");
        assert_eq!(Rebuild::new(1).finish(None, None), []);
    }

    #[test]
    fn a_segment_of_a_new_table_begins_where_nothing_depends_on_what_is_before_it() {
        let mut rebuild = Rebuild::new(250);
        for position in 0..12 {
            rebuild.add(position, &header(position, (position % 4) as u32), 100);
        }
        let starts: Vec<_> =
            rebuild.finish(None, None).iter().map(|segment| segment.start.position).collect();
        assert_eq!(starts, [0, 4, 8]);
    }

    proptest! {
        /// Whatever is missing, the new table is contiguous and covers all that is there.
        #[test]
        fn a_new_table_is_contiguous(kept in prop::collection::vec(any::<bool>(), 1..60), restart in 1..9u64) {
            let mut rebuild = Rebuild::new(700);
            let positions: Vec<_> = (0..kept.len() as u64).filter(|at| kept[*at as usize]).collect();
            for &position in &positions {
                rebuild.add(position, &header(position, (position % restart) as u32), 100);
            }
            let table = rebuild.finish(None, None);
            prop_assert_eq!(table.first().map(|first| first.start.position), positions.first().copied());
            prop_assert_eq!(table.last().map(|last| last.end.position), positions.last().map(|last| last + 1));
            prop_assert!(table.windows(2).all(|pair| pair[0].end == pair[1].start), "{table:?}");
        }
    }
}
