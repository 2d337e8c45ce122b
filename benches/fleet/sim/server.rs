//! The server: cores that take requests in the order they came, and a bounded number of others that wait.

use super::events::Id;
use super::{Micros, SECOND};
use std::collections::VecDeque;

/// What a server is and what requests cost it. The costs are those that `cargo bench --bench fleet -- costs` measures.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    pub cores: usize,
    /// CPU time of a request, of each series in it, and of each sample, in microseconds.
    pub request_us: f64,
    pub series_us: f64,
    pub sample_us: f64,
    /// CPU time of a series that it sees for the first time since it was started, in microseconds.
    pub cold_series_us: f64,
    /// More than so many waiting requests are answered with 503.
    pub max_waiting: usize,
    /// A request that waited so long is answered with 503.
    pub max_wait: Micros,
    /// It falls over with so many waiting requests, and is back after `restart`.
    pub crash_at: Option<usize>,
    pub restart: Micros,
    /// From sender to server and back.
    pub round_trip: Micros,
}

impl Model {
    /// VictoriaMetrics, measured; limits as its flags and Linux have them.
    pub fn measured(cores: usize) -> Self {
        Self {
            cores,
            request_us: 112.0,
            series_us: 1.4,
            sample_us: 0.37,
            cold_series_us: 32.0,
            max_waiting: 4096,
            max_wait: 60 * SECOND,
            crash_at: None,
            restart: 20 * SECOND,
            round_trip: 2_000,
        }
    }

    /// CPU time of a request with so many series, some of them cold, and samples.
    pub fn cost(&self, series: u64, cold: u64, samples: u64) -> Micros {
        let cost = self.request_us
            + self.series_us * series as f64
            + self.cold_series_us * cold as f64
            + self.sample_us * samples as f64;
        cost.round() as Micros
    }
}

/// What the server does with a request that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is worked on at once.
    Started,
    Waits,
    /// 503.
    Busy,
    /// No connection.
    Refused,
    /// It was one too many: the server is down, with all that waited.
    Crashed,
}

#[derive(Debug)]
pub struct Server {
    model: Model,
    is_up: bool,
    /// Requests that cores work on.
    working: usize,
    waiting: VecDeque<Id>,
    /// How often it was started: what was worked on before is void.
    pub life: u32,
}

impl Server {
    /// A server that is down.
    pub fn new(model: Model) -> Self {
        Self { model, is_up: false, working: 0, waiting: VecDeque::new(), life: 0 }
    }

    pub fn start(&mut self) {
        (self.is_up, self.life) = (true, self.life + 1);
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn arrive(&mut self, id: Id) -> Arrival {
        if !self.is_up {
            return Arrival::Refused;
        }
        if self.working < self.model.cores {
            self.working += 1;
            return Arrival::Started;
        }
        if self.model.crash_at.is_some_and(|most| self.waiting.len() >= most) {
            return Arrival::Crashed;
        }
        if self.waiting.len() >= self.model.max_waiting {
            return Arrival::Busy;
        }
        self.waiting.push_back(id);
        Arrival::Waits
    }

    /// A core is free: the next request that it works on.
    pub fn finished(&mut self) -> Option<Id> {
        let next = self.waiting.pop_front();
        self.working -= usize::from(next.is_none());
        next
    }

    /// True where the request waited until now, and waits no more.
    pub fn give_up(&mut self, id: Id) -> bool {
        // The one that came first has waited longest.
        let is_first = self.waiting.front() == Some(&id);
        if is_first {
            self.waiting.pop_front();
        }
        is_first
    }

    pub fn crash(&mut self) {
        (self.is_up, self.working) = (false, 0);
        self.waiting.clear();
    }
}
