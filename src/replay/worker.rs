//! The task that delivers to one upstream: carries out what the machine says.

use super::batch::{Packer, Packing, Shape};
use super::client::{Client, WallClock};
use super::failover::Target;
use super::machine::{Action, Machine, Rules, Settled};
use super::network::Network;
use super::outage::{Edge, Outage};
use super::progress::Progress;
use super::verdict::{Answer, Outcome, Verdict};
use super::window::RateLimit;
use super::{Settings, batch::Part};
use crate::clock::epoch_ms;
use crate::dead_letter::{DeadLetters, Kept, Letter};
use crate::fault::AbortOnPanic;
use crate::ingest::one_line;
use crate::model::Push;
use crate::queue::{Batch, ReadLimit, Reader};
use crate::replay::backoff::Backoff;
use crate::status::NO_URL;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{UpstreamLabel, UpstreamReasonLabel};
use crate::telemetry::throttle::Throttle;
use crate::wire;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Everything one upstream's delivery holds.
pub(super) struct Worker {
    pub(super) reader: Reader,
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) shutdown: watch::Receiver<bool>,
    pub(super) progress: Arc<Progress>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) letters: Arc<DeadLetters>,
    pub(super) wall: WallClock,
    /// Makes this agent's waits differ from those of others.
    pub(super) seed: u64,
}

/// What changes from batch to batch.
struct Delivery {
    client: Client,
    machine: Machine,
    packer: Packer,
    batch: Batch,
    outage: Outage,
    route: Route,
    network: Network,
    /// The last attempt had no answer.
    is_unreachable: bool,
    throttle: Throttle,
    started: Instant,
}

/// Which URL took data last, and why another does now: what the log is told of a failover, once.
#[derive(Debug, Default)]
struct Route {
    url: usize,
    left: Option<Left>,
}

#[derive(Debug)]
struct Left {
    reason: &'static str,
    error: String,
}

impl Worker {
    /// Delivers until it is told to stop. What is in flight then is finished first, so that it is not sent
    /// twice; the caller bounds how long that may take.
    pub(super) async fn run(mut self) {
        let _abort = AbortOnPanic { part: "replay" };
        let settings = self.settings.borrow_and_update().clone();
        let mut delivery = Delivery {
            client: Client::new(settings.upstream.clone(), self.wall),
            machine: self.machine(&settings),
            packer: Packer::new(),
            batch: Batch { push: Push::default(), intervals: Vec::new(), first: 0, end: 0, records: 0 },
            outage: Outage::default(),
            route: Route::default(),
            network: Network::default(),
            is_unreachable: false,
            throttle: Throttle::default(),
            started: Instant::now(),
        };
        while !*self.shutdown.borrow() {
            self.progress.heartbeat.beat();
            if let Some(nowhere) = self.nowhere() {
                self.await_url(&mut delivery, &nowhere).await;
                continue;
            }
            match delivery.machine.next() {
                Action::Read => self.read(&mut delivery).await,
                Action::Wait(until) => self.wait(&mut delivery, until).await,
                Action::Send { part, packing, attempt } => {
                    let push = &delivery.batch.push;
                    let body = tokio::task::block_in_place(|| delivery.packer.pack(push, &part, packing));
                    delivery.machine.sending(Instant::now(), part.samples(push), body.len());
                    let label = self.label();
                    self.metrics.sent_bytes.get_or_create(&label).inc_by(body.len() as u64);
                    let begun = Instant::now();
                    let target = delivery.machine.target(begun);
                    let outcome = delivery.client.send(target, body, packing, attempt).await;
                    let now = Instant::now();
                    self.metrics.send_seconds.get_or_create(&label).observe((now - begun).as_secs_f64());
                    self.settle(&mut delivery, &outcome, target, now);
                }
            }
        }
    }

    fn machine(&self, settings: &Settings) -> Machine {
        let upstream = &settings.upstream;
        let rules = Rules {
            kind: upstream.kind,
            max_retry_after: settings.replay.max_retry_after,
            max_samples_per_send: upstream.max_samples_per_send as u64,
            rate: RateLimit {
                samples_per_second: settings.replay.samples_per_second,
                bytes_per_second: settings.replay.bytes_per_second,
            },
        };
        Machine::new(rules, Backoff::new(upstream.min_backoff, upstream.max_backoff, self.seed))
            .with_urls(upstream.urls.len().max(1))
    }

    fn label(&self) -> UpstreamLabel {
        UpstreamLabel { upstream: self.progress.name.clone() }
    }

    /// Why there is nowhere to send to, if that is so.
    fn nowhere(&self) -> Option<String> {
        self.settings.borrow().upstream.nowhere()
    }

    /// No upstream known is an upstream away: waits for settings that say where it is.
    async fn await_url(&mut self, delivery: &mut Delivery, nowhere: &str) {
        let label = self.label();
        let edge = delivery.outage.failed(Instant::now(), self.progress.samples_sent());
        self.progress.failed(nowhere, Some(NO_URL), delivery.outage.down_since());
        self.metrics.upstream_up.get_or_create(&label).set(0);
        self.metrics.upstream_url_index.get_or_create(&label).set(0);
        if edge == Some(Edge::Began) {
            tracing::warn!(
                upstream = %label.upstream,
                why = nowhere,
                "nowhere to send to yet, pushes are kept and delivered once there is"
            );
        }
        tokio::select! {
            Ok(()) = self.progress.heartbeat.during(self.settings.changed()) => self.apply_settings(delivery),
            _ = self.shutdown.changed() => {}
        }
    }

    /// Waits for records and reads a batch of them.
    async fn read(&mut self, delivery: &mut Delivery) {
        tokio::select! {
            () = self.progress.heartbeat.during(self.reader.readable()) => {}
            Ok(()) = self.settings.changed() => return self.apply_settings(delivery),
            _ = self.shutdown.changed() => return,
        }
        let limit = ReadLimit {
            records: MAX_RECORDS_PER_SEND,
            samples: delivery.machine.max_samples(),
            bytes: self.settings.borrow().upstream.max_bytes_per_send,
        };
        match tokio::task::block_in_place(|| self.reader.read(limit, Instant::now())) {
            Ok(Some(batch)) => {
                delivery.machine.load(Shape::of(&batch));
                delivery.batch = batch;
            }
            Ok(None) => {}
            Err(error) => {
                self.metrics.store_errors.inc();
                if let Some(suppressed) = delivery.may_log("read") {
                    tracing::error!(upstream = %self.progress.name, %error, suppressed, "cannot read the queue");
                }
                self.progress.failed(&error.to_string(), None, None);
                delivery.machine.read_failed(Instant::now());
            }
        }
    }

    async fn wait(&mut self, delivery: &mut Delivery, until: Instant) {
        self.progress.waits_until(Some(until));
        let may_network_help = delivery.is_unreachable && delivery.machine.may_wake(Instant::now());
        tokio::select! {
            () = self.progress.heartbeat.during(tokio::time::sleep_until(until.into())) => {}
            () = delivery.network.changed(), if may_network_help => {
                tracing::debug!(upstream = %self.progress.name, "the network of this host changed, trying at once");
            }
            Ok(()) = self.settings.changed() => self.apply_settings(delivery),
            _ = self.shutdown.changed() => {}
        }
        self.progress.waits_until(None);
        delivery.machine.wake();
    }

    /// New settings are in force at once; the batch at hand is read again, as its bounds may have changed.
    fn apply_settings(&mut self, delivery: &mut Delivery) {
        let settings = self.settings.borrow_and_update().clone();
        self.reader.rewind_to_acked();
        delivery.client = Client::new(settings.upstream.clone(), self.wall);
        delivery.machine = self.machine(&settings);
        delivery.route = Route::default();
        self.show_url(0);
    }

    /// Takes in how an attempt ended.
    fn settle(&mut self, delivery: &mut Delivery, outcome: &Outcome, target: Target, now: Instant) {
        let (verdict, settled) = delivery.machine.outcome(outcome, now);
        self.show_url(delivery.machine.url());
        delivery.is_unreachable = outcome.is_unanswered();
        if !delivery.is_unreachable {
            delivery.network.stop_listening();
        }
        if let Verdict::Retry { reason, .. } = verdict {
            return self.failed(delivery, outcome, target, reason, now);
        }
        if settled != Settled::Nothing {
            self.note_route(delivery, target.url);
        }
        match settled {
            Settled::Nothing => {}
            Settled::Delivered(part) => {
                let samples = part.samples(&delivery.batch.push);
                let label = self.label();
                self.metrics.batches_sent.get_or_create(&label).inc();
                self.metrics.samples_sent.get_or_create(&label).inc_by(samples);
                self.progress.sent(samples);
                self.ack(delivery, now);
            }
            Settled::Rejected(part, reason) => {
                self.rejected(delivery, &part, reason, outcome);
                self.ack(delivery, now);
            }
        }
    }

    fn failed(
        &mut self,
        delivery: &mut Delivery,
        outcome: &Outcome,
        target: Target,
        reason: &'static str,
        now: Instant,
    ) {
        let label = UpstreamReasonLabel { upstream: self.progress.name.clone(), reason };
        self.metrics.batches_retried.get_or_create(&label).inc();
        let error = describe(outcome);
        tracing::debug!(upstream = %label.upstream, url = target.url + 1, reason, error, "attempt failed");
        if target.is_probe {
            return;
        }
        let was_up = delivery.outage.down_since().is_none();
        let repeated = if was_up && outcome.is_sign_of_a_crash() { self.take_back(delivery, now) } else { 0 };
        if matches!(outcome, Outcome::Failed { is_stale: true, .. }) {
            return self.lost_between(delivery, &error, repeated);
        }
        if target.url == delivery.route.url {
            delivery.route.left = Some(Left { reason, error: error.clone() });
        }
        let is_next_url_asked = !matches!(delivery.machine.next(), Action::Wait(_));
        if is_next_url_asked {
            // Only when all of them were tried is the upstream away.
            return;
        }
        let edge = delivery.outage.failed(now, self.progress.samples_sent());
        self.metrics.upstream_up.get_or_create(&self.label()).set(0);
        self.progress.failed(&error, Some(reason), delivery.outage.down_since());
        if edge == Some(Edge::Began) {
            let backlog = self.reader.backlog();
            tracing::warn!(
                upstream = %label.upstream,
                reason,
                error,
                backlog_samples = backlog.samples,
                repeated_samples = repeated,
                "upstream does not take data, pushes are kept and delivered when it is back"
            );
        }
    }

    /// The connection ended between two requests: the upstream is asked again at once, and what it may have lost in the meantime
    /// is sent again.
    fn lost_between(&self, delivery: &mut Delivery, error: &str, repeated: u64) {
        if repeated > 0
            && let Some(suppressed) = delivery.may_log("lost_between")
        {
            tracing::info!(
                upstream = %self.progress.name,
                error,
                repeated_samples = repeated,
                suppressed,
                "the upstream may have been started anew, what it took last is sent again"
            );
        }
    }

    fn show_url(&self, url: usize) {
        self.progress.uses_url(url);
        self.metrics.upstream_url_index.get_or_create(&self.label()).set(url as i64 + 1);
    }

    /// `url` took data: tells the log where another did before.
    fn note_route(&self, delivery: &mut Delivery, url: usize) {
        let route = &mut delivery.route;
        let left = route.left.take();
        if std::mem::replace(&mut route.url, url) == url {
            return;
        }
        let upstream = self.settings.borrow().upstream.clone();
        let (name, place, address) = (&upstream.name, url + 1, upstream.public_url(url));
        let of = upstream.urls.len();
        if url == 0 {
            tracing::info!(upstream = %name, url = place, of, address, "the first url takes data again, delivery is back there");
            return;
        }
        let Left { reason, error } = left.unwrap_or(Left { reason: "unknown", error: String::new() });
        tracing::warn!(
            upstream = %name, url = place, of, address, reason, error,
            "a url does not take data, delivery went on to another"
        );
    }

    /// A server that went down has lost what it answered last and had not flushed: that is sent again when it is back,
    /// see `queue.rewind`. Returns its samples.
    fn take_back(&mut self, delivery: &mut Delivery, now: Instant) -> u64 {
        let samples = self.reader.take_back(now);
        if samples > 0 {
            delivery.machine.forget_batch();
            delivery.batch.push = Push::default();
            self.metrics.samples_repeated.get_or_create(&self.label()).inc_by(samples);
        }
        samples
    }

    /// Keeps what was refused as a dead letter. It is safe on disk before the part counts as settled: a kill in between
    /// sends it once more.
    fn rejected(&self, delivery: &mut Delivery, part: &Part, reason: &'static str, outcome: &Outcome) {
        let samples = part.samples(&delivery.batch.push);
        let name = &self.progress.name;
        let label = UpstreamReasonLabel { upstream: name.clone(), reason };
        self.metrics.samples_rejected.get_or_create(&label).inc_by(samples);
        self.progress.rejected(samples);
        let letter = self.letter(delivery, part, reason, outcome);
        let kept = tokio::task::block_in_place(|| self.letters.keep(&letter));
        let Batch { first, end, .. } = delivery.batch;
        let (series, answer) = (first_name(&delivery.batch.push, part), &letter.answer);
        match kept {
            Ok(Kept { number, evicted }) => {
                if let Some(suppressed) = delivery.may_log(reason) {
                    tracing::error!(
                        upstream = %name, reason, series, count = letter.series, samples, first, end, answer, suppressed,
                        dead_letter = number,
                        "upstream refused series for good, these samples are not delivered; see `queue dead-letter`"
                    );
                }
                self.evicted(delivery, &evicted);
            }
            Err(lost) => {
                if let Some(reason) = lost.reason() {
                    self.metrics.dead_letter_dropped(name, reason);
                }
                if let Some(suppressed) = delivery.may_log(lost.reason().unwrap_or(reason)) {
                    tracing::error!(
                        upstream = %name, reason, series, count = letter.series, samples, first, end, answer, suppressed,
                        cause = %lost,
                        "upstream refused series for good, these samples are lost: there is no dead letter of them"
                    );
                }
            }
        }
    }

    fn letter(
        &self,
        delivery: &mut Delivery,
        part: &Part,
        reason: &'static str,
        outcome: &Outcome,
    ) -> Letter {
        let push = &delivery.batch.push;
        let status = match outcome {
            Outcome::Answered(answer) => answer.status,
            Outcome::Failed { .. } => 0,
        };
        let refused_ms = epoch_ms((self.wall)());
        Letter {
            upstream: self.progress.name.clone(),
            refused_ms,
            accepted_ms: self.reader.accepted_ms().unwrap_or((refused_ms, refused_ms)),
            positions: (delivery.batch.first, delivery.batch.end),
            status,
            reason: reason.to_owned(),
            answer: describe(outcome),
            series: u32::try_from(part.series_in(push)).unwrap_or(u32::MAX),
            samples: part.samples(push),
            wire_len: u32::try_from(part.encoded_len(push)).unwrap_or(u32::MAX),
            packed: tokio::task::block_in_place(|| delivery.packer.pack(push, part, Packing::Zstd)),
        }
    }

    /// The oldest letters went to make room.
    fn evicted(&self, delivery: &mut Delivery, upstreams: &[String]) {
        for upstream in upstreams {
            self.metrics.dead_letter_dropped(upstream, "max_bytes");
        }
        if !upstreams.is_empty()
            && let Some(suppressed) = delivery.may_log("dead_letters.max_bytes")
        {
            tracing::error!(
                dead_letters = upstreams.len(),
                suppressed,
                "dead letters are at dead_letters.max_bytes, the oldest are dropped"
            );
        }
    }

    /// A part is settled, and with the last one the batch.
    fn ack(&mut self, delivery: &mut Delivery, now: Instant) {
        if delivery.machine.is_settled() {
            self.reader.ack(delivery.batch.end, now);
            self.reader.recycle(std::mem::take(&mut delivery.batch.push));
        }
        let backlog = self.reader.backlog();
        let (acked, durable) = self.reader.bounds();
        let sent = self.progress.samples_sent();
        let edge = delivery.outage.settled(now, acked, durable, sent);
        self.metrics.upstream_up.get_or_create(&self.label()).set(1);
        self.progress.settled();
        if let Some(Edge::Ended { outage, catch_up, samples }) = edge {
            tracing::info!(
                upstream = %self.progress.name,
                outage_seconds = seconds(outage),
                catch_up_seconds = seconds(catch_up),
                samples_replayed = samples,
                backlog_samples = backlog.samples,
                "upstream is back, what it missed is delivered"
            );
        }
    }
}

/// Bounds what one batch holds in memory besides its samples.
const MAX_RECORDS_PER_SEND: u64 = 4096;

impl Delivery {
    /// None where this kind of line is held back, else how many were since the last one.
    fn may_log(&mut self, kind: &'static str) -> Option<u64> {
        let now_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.throttle.note(kind, now_ms)
    }
}

/// The metric name of the first series of a part, for the log.
fn first_name(push: &Push, part: &Part) -> String {
    let series = push.series().nth(part.series.start);
    let name = series.and_then(|series| wire::metric_name(series.labels)).unwrap_or_default();
    one_line(&String::from_utf8_lossy(name)).into_owned()
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// How an attempt ended, in one line.
pub(super) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { error, .. } => one_line(error).into_owned(),
        Outcome::Answered(Answer { status, text, .. }) => {
            let words =
                hyper::StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
            let status = match status {
                401 => "the upstream does not accept the credentials (401)".to_owned(),
                _ => format!("{status} {}", words.unwrap_or_default()).trim_end().to_owned(),
            };
            if text.is_empty() { status } else { format!("{status}: {}", one_line(text)) }
        }
    }
}
