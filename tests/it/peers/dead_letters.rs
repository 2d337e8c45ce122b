//! What a real database refuses: a body beyond its limit, which it answers with 400. Halved, all of it fits but one series.

use super::{ALL, Victoria, count, now_ms, samples};
use crate::commands::run;
use crate::stage::{Stage, binary, upstream_status};
use pmm_buffer::harness::wait::DEADLINE;
use pmm_buffer::harness::{Client, HostLoad, Launch, pack};
use pmm_buffer::model::{PushBuilder, Sample, Span};
use pmm_buffer::wire;
use std::path::Path;

/// Bytes of a body that the database takes, unpacked.
const LIMIT: usize = 64 << 10;
const SERIES: usize = 300;

async fn push(stage: &Stage, body: bytes::Bytes) {
    let headers = [("content-encoding", "snappy")];
    let answer = Client::new(stage.launch.address).post("/api/v1/write", &headers, body).await;
    assert_eq!(answer.expect("answered").status, 204);
}

#[tokio::test]
async fn a_series_that_a_database_refuses_is_kept_and_taken_by_one_without_the_limit() {
    let victoria = Victoria::start_with(&[&format!("-maxInsertRequestSize={LIMIT}")]).await;
    let mut stage = Stage::new();
    let (data, log) = (stage.data_dir(), stage.folder.path().join("log"));
    stage.launch = Launch::flags(binary(), stage.launch.address, &data, &victoria.url(), &log);
    let mut agent = stage.launch.start().expect("the program starts");
    agent.ready(DEADLINE).await.expect("ready");

    let now = now_ms() - 60_000;
    let scrape = HostLoad::new(1, 0, SERIES).scrape(now);
    assert!(wire::encoded_len(&scrape) > LIMIT, "it is to be halved");
    let mut huge = PushBuilder::default();
    let labels = huge.store_with(|section| {
        wire::append_label(section, b"__name__", b"huge");
        for name in ["a", "b", "c"] {
            // Each within what a label of a push may have.
            wire::append_label(section, name.as_bytes(), "x".repeat(LIMIT * 3 / 4).as_bytes());
        }
    });
    huge.sample(Sample { value: 1.0, timestamp: now });
    huge.series(labels, Span::default());
    push(&stage, pack(&huge.finish())).await;
    push(&stage, pack(&scrape)).await;
    stage.drained(&agent).await;
    assert_eq!(upstream_status(&agent).await.samples_rejected, 1);
    let stored = victoria.shown(ALL, SERIES).await;
    assert_eq!(stored, samples(&scrape));

    let data = data.to_string_lossy();
    let list = run(&["queue", "dead-letter", "list", "--data-dir", &data]).await;
    assert!(list.out.contains("huge") && list.out.contains("400 Bad Request: "), "{}", list.out);
    println!("{}", list.out);
    let larger = Victoria::start().await;
    let url = larger.url();
    let retried =
        run(&["queue", "dead-letter", "retry", "1", "--data-dir", &data, "--remote-write-url", &url]).await;
    assert_eq!((retried.code, retried.err.as_str()), (Some(0), ""), "{}", retried.out);
    assert_eq!(count(&larger.shown(r#"__name__="huge""#, 1).await), 1);
    assert_eq!(std::fs::read_dir(Path::new(&*data).join("dead-letters")).expect("it is there").count(), 0);
}
