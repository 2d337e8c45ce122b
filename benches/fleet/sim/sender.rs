//! What both policies have in common.

use super::{Micros, SAMPLES_PER_SECOND, SERIES};

/// What a sender does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Send(Batch),
    Wait(Micros),
    /// Everything is sent or in flight; it waits for the next push.
    Idle,
}

/// A run of pushes, each of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub first: u64,
    pub pushes: u64,
    /// Each series once, with all its samples.
    pub is_merged: bool,
}

impl Batch {
    pub fn samples(&self) -> u64 {
        self.pushes * SAMPLES_PER_SECOND
    }

    /// Series as the request has them.
    pub fn series(&self) -> u64 {
        if self.is_merged { self.samples().min(SERIES) } else { self.samples() }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Delivered,
    /// 503.
    Busy,
    /// No connection.
    Refused,
    /// The connection broke.
    Broken,
    /// No answer within the sender's deadline.
    Timeout,
}

/// One agent.
pub trait Sender {
    /// Requests that it may have in flight.
    fn queues(&self) -> u32;
    /// How long it waits for an answer.
    fn deadline(&self) -> Micros;
    /// What `queue` does now; `produced` pushes were made so far.
    fn step(&mut self, queue: u32, produced: u64, now: Micros) -> Step;
    fn ended(&mut self, queue: u32, end: End, now: Micros);
    /// Pushes that were delivered, as it knows.
    fn settled(&self) -> u64;
}
