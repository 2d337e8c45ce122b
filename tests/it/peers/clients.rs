//! Client libraries that programs push with: what the agent makes of it is what a database makes of it directly.
//!
//! The programs are in `clients/`, and the libraries where `make setup-peers` puts them.

use super::exposition::send;
use super::{Samples, Through, Victoria, assert_sent_as_directly, difference, now_ms};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::task::spawn_blocking;

/// Every series here has a name that begins so.
const MATCHER: &str = r#"__name__=~"client_.*""#;

/// Runs a client to its end, and returns what it said.
async fn run(program: &Path, script: &str, args: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/clients").join(script);
    let mut command = Command::new(program);
    command.arg(&script).args(args).env("NODE_PATH", libraries().join("node_modules"));
    let said = spawn_blocking(move || command.output()).await.expect("without a fault");
    let said = said.unwrap_or_else(|error| {
        panic!("{}: {error}; `make setup-peers` brings the clients", program.display())
    });
    assert!(said.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("clients write text")
}

fn libraries() -> PathBuf {
    let peers = std::env::var_os("PMM_BUFFER_TEST_PEERS").expect("`make test` says where the peers are");
    PathBuf::from(peers).join("clients")
}

async fn python(args: &[&str]) -> String {
    run(&libraries().join("python/bin/python"), "push.py", args).await
}

/// Lines of a text that are samples.
fn samples_in(text: &str) -> usize {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

#[tokio::test]
async fn what_a_program_in_python_exposes_arrives_through_an_outage_as_it_does_directly() {
    let classic = python(&["text", "prometheus"]).await;
    let open_metrics = python(&["text", "openmetrics"]).await;
    assert!(open_metrics.contains(" # {trace_id="), "it has exemplars");
    let first_ms = (now_ms() - 3_600_000) / 1_000 * 1_000;
    let at = |second: i64| format!("?timestamp={}", first_ms + second * 1_000);
    let all = 2 * (samples_in(&classic) + samples_in(&open_metrics));
    let (text, open) = ("text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0");
    let requests = [
        (at(0), text, classic.clone()),
        (at(1), open, open_metrics.clone()),
        (at(2), text, classic),
        (at(3), open, open_metrics),
    ];
    assert_sent_as_directly(&requests, (2, ""), send, (MATCHER, all)).await;
}

/// The values of each series, without their times.
fn values(samples: &Samples) -> BTreeMap<&[u8], Vec<u64>> {
    let values = |own: &BTreeSet<(i64, u64)>| own.iter().map(|(_, bits)| *bits).collect();
    samples.iter().map(|(labels, own)| (labels.as_slice(), values(own))).collect()
}

/// Debian's VictoriaMetrics (1.79) has no paths of the Pushgateway: it gets the same text with the labels as arguments.
#[tokio::test]
async fn a_push_of_python_to_a_pushgateway_arrives_with_the_moment_it_was_made() {
    let mut through = Through::start().await;
    through.relay.close().await;
    let begun = now_ms();
    let gateway = format!("{}/api/v1/import/prometheus", through.agent.address());
    let pushed = python(&["gateway", &gateway]).await;
    let ended = now_ms();
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let direct = Victoria::start().await;
    let group = "?extra_label=job=my/job&extra_label=zone=z%201".to_owned();
    let all = samples_in(&pushed);
    send(direct.peer.address(), "/victoriametrics", &[(group, "text/plain", pushed)]).await;
    let (sent, stored) = (through.victoria.shown(MATCHER, all).await, direct.shown(MATCHER, all).await);
    assert!(values(&sent) == values(&stored), "{}", difference(&sent, &stored));
    let mut times = sent.values().flatten().map(|(timestamp, _)| *timestamp);
    assert!(times.all(|time| (begun..=ended).contains(&time)), "{begun}..={ended}: {sent:?}");
}

/// Lets a client send the same by remote write to the agent, whose upstream is away, and to a database.
async fn assert_written_as_directly(push: impl AsyncFn(&[&str]), all: usize) {
    let mut through = Through::start().await;
    let direct = Victoria::start().await;
    through.relay.close().await;
    push(&[&format!("http://{}/api/v1/write", through.agent.address()), &direct.url()]).await;
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let (sent, stored) = (through.victoria.shown(MATCHER, all).await, direct.shown(MATCHER, all).await);
    assert!(sent == stored, "{}", difference(&sent, &stored));
}

#[tokio::test]
async fn remote_write_of_opentelemetry_in_python_arrives_through_an_outage_as_it_does_directly() {
    let push = async |urls: &[&str]| {
        python(&[&["remote-write"], urls].concat()).await;
    };
    assert_written_as_directly(push, 21).await;
}

#[tokio::test]
async fn remote_write_of_javascript_arrives_through_an_outage_as_it_does_directly() {
    let push = async |urls: &[&str]| {
        run(Path::new("node"), "push.cjs", urls).await;
    };
    assert_written_as_directly(push, 3).await;
}
