//! This agent: its own state machine, driven as its worker drives it.

use super::sender::{Batch, End, Sender, Step};
use super::{Micros, SAMPLES_PER_SECOND, SECOND};
use pmm_buffer::config::UpstreamKind;
use pmm_buffer::harness::Rng;
use pmm_buffer::replay::{Action, Answer, Backoff, Failure, Machine, Outcome, RateLimit, Rules};
use std::time::{Duration, Instant};

/// The defaults of the configuration.
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
const MAX_SAMPLES: u64 = 150_000;
const DEADLINE: Micros = 30 * SECOND;
/// Packed, with some scrapes merged.
const BYTES_PER_SAMPLE: f64 = 2.5;

/// How a first delivery after an outage is followed by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// As the machine says.
    Real,
    Off,
    /// After a random part of the outage over `share`, at most `most`.
    Of {
        share: u64,
        most: Micros,
    },
}

/// What of the manners is in force: they are switched off one at a time to see what each contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Waits after failures are random.
    pub jitter: bool,
    pub spread: Spread,
    /// Batches begin small, and follow the server's answers.
    pub ramp: bool,
}

impl Manners {
    pub const ALL: Self = Self { jitter: true, spread: Spread::Real, ramp: true };
}

pub struct Buffer {
    machine: Machine,
    manners: Manners,
    /// Where virtual time begins.
    epoch: Instant,
    rng: Rng,
    acked: u64,
    batch: Option<Batch>,
    failures: u32,
    failing_since: Option<Micros>,
    /// Stands for the machine's wait where a manner is off.
    own_wait: Option<Micros>,
}

impl Buffer {
    pub fn new(manners: Manners, epoch: Instant, seed: u64) -> Self {
        let rules = Rules {
            kind: UpstreamKind::Pmm,
            max_retry_after: Duration::from_secs(600),
            max_samples_per_send: MAX_SAMPLES,
            rate: RateLimit::default(),
        };
        let machine = Machine::new(rules, Backoff::new(MIN_BACKOFF, MAX_BACKOFF, seed));
        let (acked, batch, failures, failing_since, own_wait) = (0, None, 0, None, None);
        let rng = Rng::new(seed);
        Self { machine, manners, epoch, rng, acked, batch, failures, failing_since, own_wait }
    }

    fn instant(&self, at: Micros) -> Instant {
        self.epoch + Duration::from_micros(at)
    }

    /// Reads the next batch; false where there is none.
    fn read(&mut self, produced: u64) -> bool {
        let waiting = produced - self.acked;
        if waiting == 0 {
            return false;
        }
        let most = if self.manners.ramp { self.machine.max_samples() } else { MAX_SAMPLES };
        let pushes = (most / SAMPLES_PER_SECOND).max(1).min(waiting);
        let batch = Batch { first: self.acked, pushes, is_merged: true };
        self.machine.load(batch.series() as usize);
        self.batch = Some(batch);
        true
    }

    /// The wait without jitter: the same bounds, each in full.
    fn plain_wait(&self, end: End) -> Micros {
        let most = if end == End::Refused { 1_500_000 } else { MAX_BACKOFF.as_micros() as Micros };
        (MIN_BACKOFF.as_micros() as Micros).saturating_mul(1 << self.failures.min(20)).min(most)
    }

    /// The wait after a first delivery, where it is not the machine's.
    fn own_spread(&mut self, since: Option<Micros>, now: Micros) -> Option<Micros> {
        match self.manners.spread {
            Spread::Real => None,
            Spread::Off => Some(now),
            Spread::Of { share, most } => {
                let window = since.map_or(0, |since| (now - since) / share).min(most);
                Some(now + self.rng.below(window + 1))
            }
        }
    }
}

impl Sender for Buffer {
    fn queues(&self) -> u32 {
        1
    }

    fn deadline(&self) -> Micros {
        DEADLINE
    }

    fn step(&mut self, _queue: u32, produced: u64, now: Micros) -> Step {
        loop {
            match self.machine.next() {
                Action::Wait(until) => {
                    let until = self.own_wait.unwrap_or((until - self.epoch).as_micros() as Micros);
                    if until > now {
                        return Step::Wait(until);
                    }
                    self.own_wait = None;
                    self.machine.wake();
                }
                Action::Read if !self.read(produced) => return Step::Idle,
                Action::Read => {}
                Action::Send { .. } => {
                    let batch = self.batch.expect("what is sent was read");
                    let bytes = batch.samples() as f64 * BYTES_PER_SAMPLE;
                    self.machine.sending(self.instant(now), batch.samples(), bytes as usize);
                    return Step::Send(batch);
                }
            }
        }
    }

    fn ended(&mut self, _queue: u32, end: End, now: Micros) {
        self.machine.outcome(&outcome(end), self.instant(now));
        self.own_wait = None;
        if end == End::Delivered {
            self.failures = 0;
            self.acked += self.batch.take().map_or(0, |batch| batch.pushes);
            let since = self.failing_since.take();
            self.own_wait = self.own_spread(since, now);
            return;
        }
        self.failing_since.get_or_insert(now);
        if !self.manners.jitter {
            self.own_wait = Some(now + self.plain_wait(end));
        }
        self.failures += 1;
    }

    fn settled(&self) -> u64 {
        self.acked
    }
}

fn outcome(end: End) -> Outcome {
    let failed = |failure| Outcome::Failed { failure, error: String::new(), is_stale: false };
    let answered = |status| Outcome::Answered(Answer { status, retry_after: None, text: String::new() });
    match end {
        End::Delivered => answered(204),
        End::Busy => answered(503),
        End::Refused => failed(Failure::Connect),
        End::Broken => failed(Failure::Broken),
        End::Timeout => failed(Failure::Timeout),
    }
}
