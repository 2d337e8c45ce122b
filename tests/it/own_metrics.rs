//! The agent's own metrics tell of an outage after it.

use crate::stage::{SERIES, Stage, logged, metric, terminate};
use pmm_buffer::harness::wait::{until, until_async};
use pmm_buffer::wire;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const OWN_PUSHES: &str = r#"pmm_buffer_pushes_accepted_total{route="self_metrics"}"#;

const ON: &str = "self_metrics: {enabled: on, interval: 1s, labels: {node_name: node-of-pmm}}";

#[expect(clippy::disallowed_methods, reason = "the agent stamps its metrics with the wall clock")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}

/// What arrived of one of the agent's own metrics, in the order it arrived: time and value.
fn arrived(stage: &Stage, name: &str) -> Vec<(i64, f64)> {
    let mut samples = Vec::new();
    for push in stage.upstream.pushes() {
        for series in push.series().filter(|one| wire::metric_name(one.labels) == Some(name.as_bytes())) {
            assert!(String::from_utf8_lossy(series.labels).contains("node-of-pmm"));
            samples.extend(series.samples.iter().map(|sample| (sample.timestamp, sample.value)));
        }
    }
    samples
}

/// Waits until so many more pushes of its own are in the queue.
async fn own_pushes(agent: &pmm_buffer::harness::Agent, more: f64) {
    let target = metric(agent, OWN_PUSHES).await + more;
    until_async("it pushes its own metrics", async || metric(agent, OWN_PUSHES).await >= target).await;
}

#[tokio::test]
async fn the_curve_of_an_outage_arrives_after_it_with_its_times() {
    let mut stage = Stage::with_config("", ON);
    stage.upstream.keep_pushes();
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    own_pushes(&agent, 1.0).await;
    stage.upstream.close().await;
    let went_away = now_ms();
    for _ in 0..4 {
        feed.push(2).await;
        own_pushes(&agent, 1.0).await;
    }
    let came_back = now_ms();
    stage.upstream.open().expect("the port is ours");
    stage.delivered(8 * SERIES).await;
    own_pushes(&agent, 2.0).await;
    let after = now_ms();
    until_async("what follows the outage arrived", async || {
        arrived(&stage, "pmm_buffer_upstream_up")
            .last()
            .is_some_and(|last| *last >= (came_back, 1.0) && last.1 == 1.0)
    })
    .await;
    let backlog = arrived(&stage, "pmm_buffer_backlog_samples");
    assert!(backlog.is_sorted_by(|one, next| one.0 < next.0), "each once, in order: {backlog:?}");
    let of_outage: Vec<_> = backlog
        .iter()
        .filter(|(ms, _)| (went_away..came_back).contains(ms))
        .map(|(_, value)| *value)
        .collect();
    assert!(of_outage.len() >= 4, "{backlog:?}");
    assert!(of_outage.is_sorted(), "it grew: {of_outage:?}");
    assert!(of_outage.last() >= Some(&(6.0 * SERIES as f64)), "{of_outage:?}");
    assert!(backlog.iter().all(|(ms, _)| *ms <= after + 60_000), "{backlog:?}");
    let rounds = arrived(&stage, "pmm_buffer_upstream_up");
    assert!(rounds.iter().any(|(ms, up)| (went_away..came_back).contains(ms) && *up == 0.0), "{rounds:?}");
    let verdict = stage.ledger.verdict();
    assert_eq!(verdict.delivered, 8 * SERIES, "{verdict:?}");
    terminate(&mut agent).await;
}

#[tokio::test]
async fn they_neither_grow_nor_count_as_anything_else_and_end_with_the_agent() {
    let stage = Stage::with_config("", ON);
    stage.upstream.keep_pushes();
    let mut agent = stage.start().await;
    own_pushes(&agent, 3.0).await;
    until_async("three arrived", async || arrived(&stage, "pmm_buffer_accepting").len() >= 3).await;
    let accepted = arrived(&stage, "pmm_buffer_samples_accepted_total");
    let steps: Vec<f64> = accepted.windows(2).map(|two| two[1].1 - two[0].1).collect();
    // A reason of failed attempts may appear, and nothing else.
    assert!(steps.iter().all(|step| *step > 50.0 && (step - steps[0]).abs() <= 5.0), "{steps:?}");
    println!("samples in each push of its own: {steps:?}");
    assert_eq!(metric(&agent, "pmm_buffer_accepted_bytes_total").await, 0.0, "nobody sent anything");
    assert_eq!(metric(&agent, r#"pmm_buffer_pushes_refused_total{reason="shutdown"}"#).await, 0.0);
    terminate(&mut agent).await;
    let log = agent.log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn without_the_option_nothing_but_what_was_pushed_arrives() {
    let stage = Stage::new();
    let agent = stage.start().await;
    stage.feed().push(3).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
    assert_eq!(stage.upstream.totals().samples, 3 * SERIES);
    assert_eq!(metric(&agent, OWN_PUSHES).await, 0.0);
}

#[tokio::test]
async fn a_textfile_is_whole_for_everybody_moves_with_a_reload_and_goes_at_the_end() {
    let stage = Stage::with_config("", "");
    let folder = stage.folder.path().join("textfiles");
    fs::create_dir(&folder).expect("writable");
    let (first, second) = (folder.join("first.prom"), folder.join("second.prom"));
    let configured = |path: &Path| {
        let rest = format!("self_metrics: {{interval: 1s, textfile: {}}}", path.display());
        stage.write_config(&stage.upstream.url(), "", &rest);
    };
    configured(&first);
    let mut agent = stage.start().await;
    let accepted = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("pmm_buffer_samples_accepted_total ").map(str::to_owned))
    };
    until("it is written", || accepted(&first).as_deref() == Some("0")).await;
    let mode = fs::metadata(&first).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    stage.feed().push(1).await;
    until("it is written again", || accepted(&first) == Some(SERIES.to_string())).await;
    assert!(!fs::read_to_string(&first).expect("readable").contains("process_"));

    configured(&second);
    agent.reload().expect("it runs");
    until("it moves", || accepted(&second).is_some() && !first.exists()).await;
    fs::rename(&folder, stage.folder.path().join("away")).expect("ours");
    logged(&agent, "the textfile cannot be written, trying again").await;
    fs::create_dir(&folder).expect("writable");
    logged(&agent, "the textfile is written again").await;
    terminate(&mut agent).await;
    assert_eq!(fs::read_dir(&folder).expect("readable").count(), 0);
    assert_eq!(stage.upstream.totals().samples, SERIES, "it is no push");
}
