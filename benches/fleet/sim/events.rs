//! What happens when, the earliest first; what happens at the same time, in the order it was planned.

use super::Micros;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A sender: its agent, and which of the agent's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub agent: u32,
    pub queue: u32,
}

/// Number of a request.
pub type Id = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The server listens.
    Up,
    /// A sender looks for what to do.
    Wake(Place),
    /// The server has done all that a request asked for.
    Finished(Id),
    /// The answer is with the sender.
    Answered(Id),
    /// The server lets no request wait longer.
    WaitedTooLong(Id),
    /// The sender waits for no answer longer.
    Deadline(Id),
}

#[derive(Debug, Default)]
pub struct Events {
    heap: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    planned: u64,
}

impl Events {
    pub fn plan(&mut self, at: Micros, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, event)));
    }

    pub fn next(&mut self) -> Option<(Micros, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
