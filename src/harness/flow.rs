//! A steady flow of scrapes: each host pushes in order, at its pace, and the ledger takes note.

use super::busy::busy;
use super::latency::Latencies;
use super::pace::Turns;
use super::{HostLoad, Latency, Pace, Protocol, PushRefused, Pusher, SharedLedger};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// When scrapes happen.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Real time between two pushes of a host.
    pub period: Duration,
    /// Timestamp of the first scrape, in milliseconds since the epoch.
    pub first_ms: i64,
    /// What timestamps grow by from scrape to scrape, in milliseconds. More than `period` packs hours of
    /// scrapes into seconds.
    pub step_ms: i64,
}

/// How hosts push.
#[derive(Debug, Clone)]
pub struct FlowSpec {
    /// Host i pushes to agent i modulo their number. One at the least.
    pub agents: Vec<SocketAddr>,
    pub protocol: Protocol,
    pub pace: Pace,
    /// Connections in all, over which hosts are spread; one for each host where none is given. With several agents there is
    /// one more for each further agent that a connection's hosts push to.
    pub producers: Option<NonZeroUsize>,
    /// Timestamp of the first scrape of each host, in milliseconds since the epoch.
    pub first_ms: i64,
    /// What the timestamps of a host grow by from scrape to scrape, in milliseconds; above 0.
    pub step_ms: i64,
    /// Counts pushes that are refused for good, and goes on with the next one. Else the first one ends its connection's part
    /// of the flow.
    pub passes_refused: bool,
}

/// Pushes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowCounts {
    /// That were answered with success.
    pub answered: u64,
    /// Tries beyond the first of a push.
    pub retries: u64,
    /// That were refused for good.
    pub refused: u64,
    /// Bodies of those that were answered or refused, as sent.
    pub body_bytes: u64,
}

/// The account of a flow, to be looked at while it goes and when it has ended.
#[derive(Debug, Clone, Default)]
pub struct FlowAccount(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    latencies: Latencies,
    answered: AtomicU64,
    refused: AtomicU64,
    body_bytes: AtomicU64,
    retries: Arc<AtomicU64>,
    first_refusal: OnceLock<String>,
}

/// Hosts that push until they are stopped. Dropped, it stops at once, with pushes half way.
#[derive(Debug)]
pub struct Flow {
    producers: JoinSet<Result<(), PushRefused>>,
    stop: watch::Sender<bool>,
    account: FlowAccount,
}

impl Flow {
    /// Starts one pusher for each host, to one agent, by remote write 1.0. Ends at a refusal.
    pub fn start(hosts: Vec<HostLoad>, agent: SocketAddr, schedule: Schedule, ledger: &SharedLedger) -> Self {
        let spec = FlowSpec {
            agents: vec![agent],
            protocol: Protocol::default(),
            pace: Pace::Every(schedule.period),
            producers: None,
            first_ms: schedule.first_ms,
            step_ms: schedule.step_ms,
            passes_refused: false,
        };
        Self::drive(hosts, spec, ledger)
    }

    /// Starts the pushers. Must be called within a runtime.
    pub fn drive(hosts: Vec<HostLoad>, spec: FlowSpec, ledger: &SharedLedger) -> Self {
        let account = FlowAccount::default();
        let stop = watch::Sender::new(false);
        let mut producers = JoinSet::new();
        let start = Instant::now();
        let shares = shares(hosts, &spec);
        let (connections, spec) = (shares.len(), Arc::new(spec));
        for (number, hosts) in shares.into_iter().enumerate() {
            let producer = Producer {
                turns: Turns::new(spec.pace, number, connections, hosts.len()),
                pushers: pushers(&hosts, &spec, &account.0),
                hosts,
                spec: spec.clone(),
                ledger: ledger.clone(),
                account: account.0.clone(),
            };
            producers.spawn(producer.run(start, stop.subscribe()));
        }
        Self { producers, stop, account }
    }

    pub fn account(&self) -> FlowAccount {
        self.account.clone()
    }

    /// Tries of pushes beyond their first, so far.
    pub fn retries(&self) -> u64 {
        self.account.counts().retries
    }

    /// Lets each pusher finish the push it is at, until it is answered, and ends. Bound it with a timeout:
    /// an agent that is away answers nothing.
    pub async fn stop(mut self) -> Result<(), PushRefused> {
        self.stop.send_replace(true);
        while let Some(ended) = self.producers.join_next().await {
            ended.expect("BUG: a pusher panicked")?;
        }
        Ok(())
    }
}

impl FlowAccount {
    pub fn counts(&self) -> FlowCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FlowCounts {
            answered: read(&self.0.answered),
            retries: read(&self.0.retries),
            refused: read(&self.0.refused),
            body_bytes: read(&self.0.body_bytes),
        }
    }

    /// What the first refusal said, for the user.
    pub fn first_refusal(&self) -> Option<&str> {
        self.0.first_refusal.get().map(String::as_str)
    }

    /// From the first byte of a push to its success, tries that failed included; of all that were answered.
    pub fn latency(&self) -> Latency {
        self.0.latencies.all()
    }

    /// The same of those that were answered since this was asked for before.
    pub fn take_latency(&self) -> Latency {
        self.0.latencies.take()
    }
}

/// A host and the place of its agent in the list.
type Placed = (HostLoad, usize);

/// The hosts of each connection.
fn shares(hosts: Vec<HostLoad>, spec: &FlowSpec) -> Vec<Vec<Placed>> {
    assert!(!spec.agents.is_empty(), "BUG: a flow goes to an agent");
    let connections = spec.producers.map_or(hosts.len(), |producers| producers.get().min(hosts.len()));
    let mut shares: Vec<Vec<Placed>> = (0..connections).map(|_| Vec::new()).collect();
    for (number, host) in hosts.into_iter().enumerate() {
        shares[number % connections].push((host, number % spec.agents.len()));
    }
    shares
}

/// A pusher for each agent that one of the hosts goes to.
fn pushers(hosts: &[Placed], spec: &FlowSpec, account: &Account) -> Vec<Option<Pusher>> {
    let protocol = Arc::new(spec.protocol.clone());
    let pusher = |(agent, address): (usize, &SocketAddr)| {
        let is_used = hosts.iter().any(|(_, used)| *used == agent);
        is_used.then(|| Pusher::speaking(protocol.clone(), *address, account.retries.clone()))
    };
    spec.agents.iter().enumerate().map(pusher).collect()
}

/// One connection: pushes for its hosts in turn.
struct Producer {
    hosts: Vec<Placed>,
    /// By the place of the agent.
    pushers: Vec<Option<Pusher>>,
    turns: Turns,
    spec: Arc<FlowSpec>,
    ledger: SharedLedger,
    account: Arc<Account>,
}

impl Producer {
    async fn run(mut self, start: Instant, mut stop: watch::Receiver<bool>) -> Result<(), PushRefused> {
        let mut timestamp_ms = self.spec.first_ms;
        loop {
            for number in 0..self.hosts.len() {
                tokio::select! {
                    biased;
                    // Also where the flow was dropped.
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    () = sleep_until(start + self.turns.due()) => {}
                }
                self.turn(number, timestamp_ms, start).await?;
            }
            timestamp_ms += self.spec.step_ms;
        }
    }

    /// One scrape of one host, in as many requests as it takes.
    async fn turn(&mut self, number: usize, timestamp_ms: i64, start: Instant) -> Result<(), PushRefused> {
        let (host, agent) = &mut self.hosts[number];
        let pusher = self.pushers[*agent].as_mut().expect("BUG: each host's agent has a pusher");
        let pushes = busy(|| host.requests(timestamp_ms));
        let samples = pushes.iter().map(|push| push.counts().all_samples()).sum();
        self.turns.begin(samples, start.elapsed());
        for push in pushes {
            let (body, series) = busy(|| (self.spec.protocol.pack(&push), self.ledger.lock().pushed(&push)));
            let bytes = body.len() as u64;
            let begun = Instant::now();
            let answered = pusher.push_until_answered(body).await;
            self.account.body_bytes.fetch_add(bytes, Ordering::Relaxed);
            match answered {
                Ok(_) => {
                    self.account.latencies.record(begun.elapsed());
                    busy(|| self.ledger.lock().answered_at(&push, &series));
                    self.account.answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(refused) => {
                    self.account.refused.fetch_add(1, Ordering::Relaxed);
                    self.account.first_refusal.get_or_init(|| refused.to_string());
                    if !self.spec.passes_refused {
                        return Err(refused);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
