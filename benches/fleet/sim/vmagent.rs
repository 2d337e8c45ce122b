//! vmagent's policy (1.150): blocks are what was flushed in a second, and are sent as they are. Each queue has a block in
//! flight, retries it for ever, and waits from 1 s to 60 s with a tenth of jitter; no queue learns from another.

use super::sender::{Batch, End, Sender, Step};
use super::{Micros, SECOND};
use pmm_buffer::harness::Rng;

const MIN_BACKOFF: Micros = SECOND;
const MAX_BACKOFF: Micros = 60 * SECOND;
const JITTER_PERCENT: u64 = 10;
/// `-remoteWrite.sendTimeout`
const DEADLINE: Micros = 60 * SECOND;

pub struct Vmagent {
    queues: Vec<Queue>,
    rng: Rng,
    /// Blocks that were taken from the file.
    taken: u64,
    settled: u64,
}

#[derive(Clone)]
struct Queue {
    block: Option<u64>,
    backoff: Micros,
    wait_until: Micros,
}

impl Vmagent {
    pub fn new(queues: usize, seed: u64) -> Self {
        let queue = Queue { block: None, backoff: MIN_BACKOFF, wait_until: 0 };
        Self { queues: vec![queue; queues], rng: Rng::new(seed), taken: 0, settled: 0 }
    }
}

impl Sender for Vmagent {
    fn queues(&self) -> u32 {
        self.queues.len() as u32
    }

    fn deadline(&self) -> Micros {
        DEADLINE
    }

    fn step(&mut self, queue: u32, produced: u64, now: Micros) -> Step {
        let queue = &mut self.queues[queue as usize];
        if queue.wait_until > now {
            return Step::Wait(queue.wait_until);
        }
        if queue.block.is_none() && self.taken < produced {
            queue.block = Some(self.taken);
            self.taken += 1;
        }
        let batch = queue.block.map(|first| Batch { first, pushes: 1, is_merged: false });
        batch.map_or(Step::Idle, Step::Send)
    }

    fn ended(&mut self, queue: u32, end: End, now: Micros) {
        let queue = &mut self.queues[queue as usize];
        if end == End::Delivered {
            (queue.block, queue.backoff) = (None, MIN_BACKOFF);
            self.settled += 1;
            return;
        }
        let jitter = self.rng.below(queue.backoff * JITTER_PERCENT / 100);
        queue.wait_until = now + queue.backoff + jitter;
        queue.backoff = (2 * queue.backoff).min(MAX_BACKOFF);
    }

    fn settled(&self) -> u64 {
        self.settled
    }
}
