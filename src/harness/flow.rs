//! A steady flow of scrapes: each host pushes on its own schedule, in order, and the ledger takes note.

use super::{HostLoad, PushRefused, Pusher, SharedLedger, pack};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

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

/// Hosts that push until they are stopped. Dropped, it stops at once, with pushes half way.
#[derive(Debug)]
pub struct Flow {
    hosts: JoinSet<Result<(), PushRefused>>,
    stop: watch::Sender<bool>,
    retries: Arc<AtomicU64>,
}

impl Flow {
    /// Starts one pusher for each host, spread over a period so that they do not push all at once.
    pub fn start(hosts: Vec<HostLoad>, agent: SocketAddr, schedule: Schedule, ledger: &SharedLedger) -> Self {
        let stop = watch::Sender::new(false);
        let retries = Arc::<AtomicU64>::default();
        let mut running = JoinSet::new();
        let (start, count) = (Instant::now(), hosts.len() as u32);
        for (number, host) in hosts.into_iter().enumerate() {
            let first = start + schedule.period * number as u32 / count;
            let host = Host { load: host, pusher: Pusher::new(agent), schedule, first };
            running.spawn(host.run(ledger.clone(), stop.subscribe(), retries.clone()));
        }
        Self { hosts: running, stop, retries }
    }

    /// Tries of pushes beyond their first, so far. Counted once the push is answered.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Lets each host finish the push it is at, until it is answered, and ends. Bound it with a timeout:
    /// an agent that is away answers nothing.
    pub async fn stop(mut self) -> Result<(), PushRefused> {
        self.stop.send_replace(true);
        while let Some(ended) = self.hosts.join_next().await {
            ended.expect("BUG: a pusher panicked")?;
        }
        Ok(())
    }
}

struct Host {
    load: HostLoad,
    pusher: Pusher,
    schedule: Schedule,
    first: Instant,
}

impl Host {
    async fn run(
        mut self,
        ledger: SharedLedger,
        mut stop: watch::Receiver<bool>,
        retries: Arc<AtomicU64>,
    ) -> Result<(), PushRefused> {
        let mut ticks = interval_at(self.first, self.schedule.period);
        // A push that took long delays the next scrape, and is not made up for by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut timestamp_ms = self.schedule.first_ms;
        loop {
            tokio::select! {
                biased;
                // Also where the flow was dropped.
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                _ = ticks.tick() => {}
            }
            let push = self.load.scrape(timestamp_ms);
            timestamp_ms += self.schedule.step_ms;
            let body = pack(&push);
            ledger.lock().pushed(&push);
            let tries = self.pusher.push_until_answered(body).await?;
            ledger.lock().answered(&push);
            retries.fetch_add(u64::from(tries) - 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
