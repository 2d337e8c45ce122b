//! Fields of a message that are kept as they are.

use super::span;
use crate::model::Span;
use std::ops::Range;

/// Fields that belong together: a range of the body as long as they stand in one piece there, else a copy.
#[derive(Default)]
pub(super) struct Run {
    range: Range<usize>,
    gathered: Vec<u8>,
    is_gathered: bool,
}

impl Run {
    #[inline]
    pub(super) fn add(&mut self, body: &[u8], field: Range<usize>) {
        if self.is_gathered {
            self.gathered.extend_from_slice(&body[field]);
        } else if self.range.end == field.start {
            self.range.end = field.end;
        } else if self.range.is_empty() {
            self.range = field;
        } else {
            self.gather(body).extend_from_slice(&body[field]);
        }
    }

    /// Makes a copy of the run, to be added to.
    pub(super) fn gather(&mut self, body: &[u8]) -> &mut Vec<u8> {
        if !self.is_gathered {
            self.is_gathered = true;
            self.gathered.extend_from_slice(&body[self.range.clone()]);
        }
        &mut self.gathered
    }

    #[inline]
    pub(super) fn bytes_mut<'a>(&'a mut self, body: &'a mut [u8]) -> &'a mut [u8] {
        if self.is_gathered { &mut self.gathered } else { &mut body[self.range.clone()] }
    }

    #[inline]
    pub(super) fn truncate(&mut self, length: usize) {
        if self.is_gathered {
            self.gathered.truncate(length);
        } else {
            self.range.end = self.range.start + length;
        }
    }

    /// The run's place in the arena to be, and an empty run for the next series.
    #[inline]
    pub(super) fn settle(&mut self, tail: &mut Vec<u8>, body_len: usize) -> Span {
        let range = std::mem::take(&mut self.range);
        if !self.is_gathered {
            return span(range);
        }
        self.is_gathered = false;
        let start = body_len + tail.len();
        tail.append(&mut self.gathered);
        span(start..body_len + tail.len())
    }
}
