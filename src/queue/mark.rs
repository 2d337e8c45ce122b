//! A place in the log: a position with running totals.

/// The number of a record, from 0, never reused.
pub type Position = u64;

/// A place in the log together with what lies before it. The difference of two marks is what lies between
/// them, so a backlog costs two subtractions, however long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub position: Position,
    /// Float and histogram samples of all records before `position`, since the queue was made.
    pub samples: u64,
    /// Encoded bytes of all records before `position`.
    pub bytes: u64,
}

impl Mark {
    /// The mark behind a record of `samples` and `bytes` that begins here.
    pub fn after(self, samples: u64, bytes: u64) -> Self {
        Self { position: self.position + 1, samples: self.samples + samples, bytes: self.bytes + bytes }
    }

    /// Samples between `from` and here; 0 where damage made the totals contradict each other.
    pub fn samples_since(self, from: Self) -> u64 {
        self.samples.saturating_sub(from.samples)
    }

    /// The later of two marks.
    pub fn max(self, other: Self) -> Self {
        if other.position > self.position { other } else { self }
    }
}
