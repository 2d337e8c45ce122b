//! The agent's own metrics as pushes of its own.

use super::*;
use crate::config::{Config, SelfMetrics};
use crate::model::SeriesView;
use crate::telemetry::metrics::SELF_ROUTE;
use crate::wire;
use tokio::sync::watch;

const EACH: Duration = Duration::from_millis(20);

fn config(enabled: bool, labels: &[(&str, &str)]) -> Arc<Config> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let self_metrics = SelfMetrics { enabled, interval: EACH, labels, textfile: None };
    Arc::new(Config { self_metrics, ..Config::default() })
}

fn labels(series: &SeriesView<'_>) -> String {
    String::from_utf8_lossy(series.labels).into_owned()
}

fn push_of(queue: &FakeQueue) -> Push {
    queue.appended().pop().expect("one was pushed").0
}

#[tokio::test]
async fn what_the_page_says_is_pushed_each_interval_and_counted() {
    let agent = Agent::start(limits()).await;
    let in_force = watch::Sender::new(config(true, &[]));
    let pushing = tokio::spawn(push_own_metrics(agent.state.clone(), in_force.subscribe(), "db-7".into()));
    until("three were pushed", || agent.accepted(SELF_ROUTE) >= 3).await;
    let appended = agent.queue.appended();
    let (first, last) = (&appended[0].0, &appended[2].0);
    // No feedback: each is as large as the one before it.
    assert_eq!(first.counts(), last.counts());
    let lines = agent.state.metrics_page().lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(first.counts().samples as usize, lines);
    let accepting = first.series().find(|one| wire::metric_name(one.labels) == Some(b"pmm_buffer_accepting"));
    let accepting = accepting.expect("it is on the page");
    assert_eq!(accepting.samples[0].timestamp, NOW_MS);
    for label in ["job", "pmm-buffer", "instance", "node_name", "db-7"] {
        assert!(labels(&accepting).contains(label), "{label}");
    }
    drop(in_force);
    tokio::time::timeout(DEADLINE, pushing).await.expect("it ends").expect("without a fault");
}

#[tokio::test]
async fn a_reload_switches_it_on_and_off_and_changes_labels() {
    let agent = Agent::start(limits()).await;
    let in_force = watch::Sender::new(config(false, &[]));
    let pushing = tokio::spawn(push_own_metrics(agent.state.clone(), in_force.subscribe(), "db-7".into()));
    in_force.send_replace(config(true, &[("instance", ""), ("node_name", "node-of-pmm")]));
    until("one was pushed", || agent.accepted(SELF_ROUTE) >= 1).await;
    let push = push_of(&agent.queue);
    let all: Vec<String> = push.series().map(|series| labels(&series)).collect();
    assert!(all.iter().all(|labels| labels.contains("node-of-pmm") && !labels.contains("db-7")));
    assert!(!all.iter().any(|labels| labels.contains("instance")));
    in_force.send_replace(config(false, &[]));
    // Once it has seen that, the disk holds nothing of it up, and nothing is begun any more.
    until("none is under way", || agent.queue.begun() as u64 == agent.accepted(SELF_ROUTE)).await;
    in_force.send_replace(config(true, &[("az", "b")]));
    until("the new label is there", || push_of(&agent.queue).series().all(|one| labels(&one).contains("az")))
        .await;
    pushing.abort();
}

#[tokio::test]
async fn a_queue_that_takes_nothing_leaves_one_out_and_is_tried_again() {
    let agent = Agent::start(limits()).await;
    let in_force = watch::Sender::new(config(true, &[]));
    agent.queue.set(Mode::Fail(AppendError::Full("no room".into())));
    let pushing = tokio::spawn(push_own_metrics(agent.state.clone(), in_force.subscribe(), "db-7".into()));
    until("some failed", || agent.queue.begun() >= 2).await;
    assert_eq!(agent.accepted(SELF_ROUTE), 0);
    assert_eq!(agent.refused("full"), 0, "no push of anybody was refused");
    agent.queue.set(Mode::Accept);
    until("one was pushed", || agent.accepted(SELF_ROUTE) >= 1).await;
    pushing.abort();
}

#[tokio::test]
async fn it_ends_when_the_server_drains() {
    let mut agent = Agent::start(limits()).await;
    let in_force = watch::Sender::new(config(true, &[]));
    let pushing = tokio::spawn(push_own_metrics(agent.state.clone(), in_force.subscribe(), "db-7".into()));
    until("one was pushed", || agent.accepted(SELF_ROUTE) >= 1).await;
    agent.stop();
    tokio::time::timeout(DEADLINE, pushing).await.expect("it ends").expect("without a fault");
    let queue = agent.queue.clone();
    assert_eq!(agent.ended().await.cut, 0);
    assert_eq!(queue.appended().len() as i64, queue.begun());
}
