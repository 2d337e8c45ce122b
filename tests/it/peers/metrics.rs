//! promtool's opinion of the agent's own metrics.

use super::{Through, peer};
use crate::stage::{Stage, page};
use pmm_buffer::harness::wait::until;
use std::io::Write;
use std::process::{Command, Stdio};

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let mut through = Through::start().await;
    // Refused, accepted and retried ones, so that every label is there.
    let mut client = pmm_buffer::harness::Client::new(through.agent.address());
    let bad = client.post("/api/v1/write", &[], "no protobuf".into()).await.expect("answered");
    assert_eq!(bad.status, 400);
    let good = format!("{{\"metric\":{{\"a\":\"b\"}},\"values\":[1],\"timestamps\":[{}]}}", super::now_ms());
    through.relay.close().await;
    let taken = client.post("/api/v1/import", &[], good.into()).await.expect("answered");
    assert_eq!(taken.status, 204);
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let text = page(&through.agent, "/metrics").await;
    for name in ["pmm_buffer_pushes_refused_total{", "pmm_buffer_sync_seconds_bucket{", "process_open_fds "] {
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    promtool_agrees(&text);
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_textfile() {
    let stage = Stage::with_config("", "");
    let file = stage.folder.path().join("pmm-buffer.prom");
    let rest = format!("self_metrics: {{textfile: {}}}", file.display());
    stage.write_config(&stage.upstream.url(), "", &rest);
    let _agent = stage.start().await;
    until("it is written", || file.exists()).await;
    let text = std::fs::read_to_string(file).expect("readable");
    assert!(text.contains("pmm_buffer_sync_seconds_bucket{"), "{text}");
    promtool_agrees(&text);
}

fn promtool_agrees(text: &str) {
    let mut command = Command::new(peer("promtool"));
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().expect("promtool starts");
    // It reads all before it writes anything.
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "promtool: {said}");
}
