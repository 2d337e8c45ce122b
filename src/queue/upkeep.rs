//! What the committer does between groups: says when there is no room, drops and releases what has to go, writes
//! settled positions that no group carries.

use super::committer::Committer;
use super::retention::{self, Footprint};
use super::shared::{Dropped, Released};
use super::store::{Batch, StoreError};
use crate::status::human::moment;
use crate::telemetry::metrics::UpstreamReasonLabel;
use crate::telemetry::process;
use std::time::{Duration, Instant};

/// How long a group waits for RocksDB's background threads when the folder is at its limit.
const PATIENCE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(1);

impl Committer {
    /// Why nothing may be stored now, if that is so. Says so in the log where it begins and where it ends.
    pub(super) fn refusal(&self) -> Option<String> {
        let refusal = self.find_refusal();
        if self.shared.set_refusal(refusal.as_deref()) {
            match &refusal {
                Some(reason) => tracing::warn!(
                    reason,
                    "no room, pushes are answered with 503 until there is some; delivery goes on"
                ),
                None => tracing::info!("there is room again, pushes are accepted"),
            }
        }
        refusal
    }

    fn find_refusal(&self) -> Option<String> {
        if self.limits.refuse(self.shared.live_bytes()) {
            return Some(format!(
                "the queue is full (queue.max_bytes: {}, queue.when_full: reject_new)",
                self.settings.max_bytes
            ));
        }
        let disk = process::file_system(self.store.path())?;
        let keep = self.settings.min_free_disk_of(disk.size_bytes);
        let is_guarded = keep > 0 || self.is_out_of_space;
        let is_refused = self.shared.unavailable().is_some();
        if !is_guarded || retention::has_room(disk.free_bytes, keep, &self.limits, is_refused) {
            return None;
        }
        Some(format!(
            "the file system of {} has {} bytes free, and {keep} are kept for others (queue.min_free_disk)",
            self.store.path().display(),
            disk.free_bytes
        ))
    }

    /// Waits until there is room for a group within `max_bytes`: RocksDB's threads are about to delete a log or move a
    /// file to where it can be deleted. Does not wait for ever: a folder that holds what is not RocksDB's must not
    /// stop the agent.
    pub(super) fn keep_within(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let is_near =
            |footprint: &Footprint| footprint.must_be_measured(self.settings.max_bytes, &self.limits);
        while is_near(&self.footprint) {
            self.footprint = Footprint::of(self.store.disk_bytes());
            if !is_near(&self.footprint) || Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Writes settled positions that nothing else carries to disk, and releases what nobody needs any more. Not synced:
    /// a kill keeps them, a power cut takes the last ones back and a batch or two is delivered again.
    pub(super) fn commit_acks(&mut self) {
        let mut batch = Batch::default();
        let acked = self.put_acks(&mut batch);
        if !batch.is_empty() {
            match self.store.write(batch, false) {
                Ok(()) => self.persisted = acked,
                Err(error) => return self.upkeep_failed(&error),
            }
        }
        self.retain();
    }

    /// Drops and releases what the limits and the settled positions say.
    pub(super) fn retain(&mut self) {
        if let Err(error) = self.release() {
            self.upkeep_failed(&error);
        }
    }

    /// A write that no push waits for failed. On a full file system it is made up for by the next one: what it was to
    /// say is said again, or was only to free space.
    fn upkeep_failed(&mut self, error: &StoreError) {
        if error.is_out_of_space {
            self.metrics.store_errors.inc();
        } else {
            self.fail(error);
        }
    }

    fn release(&mut self) -> Result<(), StoreError> {
        // Readers are moved on before anything is deleted: what a reader misses then, it knows to be gone.
        let released = self.shared.release(&self.limits, Instant::now(), (self.clock)());
        let Some(released) = released else { return Ok(()) };
        self.report_drops(&released);
        let mut batch = Batch::default();
        for segment in &released.segments {
            self.store.forget_segment(&mut batch, segment);
        }
        // An empty table would begin anew at position 0.
        self.store.put_segment(&mut batch, &self.shared.active_segment());
        // The settled positions go with it and are synced: the file list below is durable at once, and a
        // position that points before it after a power cut would look like damage.
        let acked = self.put_acks(&mut batch);
        self.store.write(batch, true)?;
        self.persisted = acked;
        self.store.release_before(released.keep_from.position)
    }

    fn report_drops(&self, released: &Released) {
        for Dropped { reason, lost, from_ms, to_ms } in &released.dropped {
            let what_to_do = match *reason {
                "max_age" => "dropped samples that waited longer than queue.max_age",
                _ => {
                    "queue is full, dropped the oldest samples; raise queue.max_bytes to survive longer outages"
                }
            };
            for (name, lost) in self.shared.upstreams().iter().zip(lost).filter(|(_, lost)| **lost > 0) {
                let label = UpstreamReasonLabel { upstream: name.clone(), reason };
                self.metrics.samples_dropped.get_or_create(&label).inc_by(*lost);
                tracing::error!(
                    upstream = %name,
                    samples = *lost,
                    accepted_from = %moment(*from_ms),
                    accepted_to = %moment(*to_ms),
                    "{what_to_do}"
                );
            }
        }
    }
}
