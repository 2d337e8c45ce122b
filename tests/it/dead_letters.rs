//! What an upstream refuses for good: kept, shown, exported, sent again, removed.

use crate::commands::{Ran, run};
use crate::stage::{FIRST_MS, SERIES, Stage, logged, metric, terminate, upstream_status};
use pmm_buffer::dead_letter::Folder;
use pmm_buffer::harness::wait::until_async;
use pmm_buffer::harness::{Agent, Client, Mode, Rng, Upstream};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// One series of each scrape has this name.
const POISON: &str = "mysql_global_status_questions";

/// Runs a subcommand of `queue dead-letter` on the folder of the stage.
async fn letters(stage: &Stage, args: &[&str]) -> Ran {
    let data = stage.data_dir().to_string_lossy().into_owned();
    run(&[&["queue", "dead-letter"], args, &["--data-dir", &data]].concat()).await
}

/// The letters, as `list --json` prints them.
async fn listed(stage: &Stage) -> Vec<Value> {
    let ran = letters(stage, &["list", "--json"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    serde_json::from_str(&ran.out).expect("JSON")
}

/// Sends letters to the stage's upstream.
async fn retry(stage: &Stage, args: &[&str]) -> Ran {
    let url = stage.upstream.url();
    letters(stage, &[&["retry", "--remote-write-url", &url], args].concat()).await
}

/// An agent that met `mode` with a backlog of so many scrapes of [`SERIES`] samples, and holds nothing any more.
async fn refused(stage: &mut Stage, mode: Mode, scrapes: usize) -> Agent {
    let agent = stage.start().await;
    stage.upstream.close().await;
    stage.feed().push(scrapes).await;
    stage.upstream.set_mode(mode);
    stage.upstream.open().expect("the port is ours");
    stage.drained(&agent).await;
    agent
}

/// Times of the samples in what `export` printed.
fn exported_times(lines: &str) -> Vec<i64> {
    let line = |line: &str| serde_json::from_str::<Value>(line).expect("a JSON line");
    let times = |line: Value| {
        assert_eq!(line["metric"]["__name__"], POISON);
        let times = line["timestamps"].as_array().expect("an array").clone();
        assert_eq!(line["values"].as_array().map(Vec::len), Some(times.len()));
        times
    };
    let times = lines.lines().map(line).flat_map(times);
    times.map(|time| time.as_i64().expect("a time")).collect()
}

fn times(scrapes: i64) -> Vec<i64> {
    (0..scrapes).map(|at| FIRST_MS + at * 1_000).collect()
}

#[tokio::test]
async fn what_is_refused_is_kept_with_the_answer_and_delivered_once_the_upstream_is_mended() {
    let mut stage = Stage::new();
    let agent = refused(&mut stage, Mode::RefuseSeries(POISON.into()), 5).await;
    let verdict = stage.ledger.verdict();
    assert_eq!((verdict.lost, verdict.delivered), (5, 5 * (SERIES - 1)), "{verdict:?}");
    assert_eq!((verdict.out_of_order, verdict.made_up, verdict.duplicates), (0, 0, 0));

    let list = listed(&stage).await;
    let samples: u64 = list.iter().map(|letter| letter["samples"].as_u64().expect("a number")).sum();
    assert_eq!(samples, 5);
    for letter in &list {
        assert_eq!(letter["upstream"], "default");
        assert_eq!(letter["status"], 400);
        assert_eq!(letter["answer"], "400 Bad Request: not this series");
        assert_eq!(letter["what"], POISON);
    }
    let bounds = (&list[0]["first"], &list[list.len() - 1]["end"]);
    assert_eq!(bounds, (&0.into(), &5.into()), "positions in the log");
    let table = letters(&stage, &["list"]).await;
    assert!(table.out.contains("not this series") && table.out.contains(POISON), "{}", table.out);
    let first = list[0]["number"].to_string();
    let shown = letters(&stage, &["show", &first]).await;
    for part in [&format!("{POISON}{{"), "2023-11-14T22:13:20.000Z", "not this series", "positions 0 to "] {
        assert!(shown.out.contains(part), "{part} is not in:\n{}", shown.out);
    }
    let json = letters(&stage, &["show", &first, "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["content"][0]["metric"]["__name__"], POISON);
    let exported = letters(&stage, &["export"]).await;
    assert_eq!(exported_times(&exported.out), times(5));

    // Numbers that /metrics and status show.
    let kept = r#"pmm_buffer_dead_letters{upstream="default"}"#;
    assert_eq!(metric(&agent, kept).await, list.len() as f64);
    let bytes = metric(&agent, "pmm_buffer_dead_letter_bytes").await;
    assert!(bytes >= list.len() as f64 * 100.0, "{bytes}");
    let status = upstream_status(&agent).await;
    assert_eq!((status.samples_rejected, status.dead_letters), (5, list.len() as u64));
    let url = format!("http://{}", agent.address());
    let status = run(&["status", "--url", &url]).await;
    assert!(
        status.out.contains("dead letters,") && status.out.contains("dead-letter list"),
        "{}",
        status.out
    );

    // Still refused: it is kept, and the answer shown.
    let refused = retry(&stage, &["--all"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("is kept: 400 Bad Request: not this series"), "{}", refused.err);
    assert_eq!(listed(&stage).await.len(), list.len());
    stage.upstream.set_mode(Mode::Accept);
    let taken = retry(&stage, &["--all"]).await;
    assert_eq!((taken.code, taken.err.as_str()), (Some(0), ""));
    assert!(
        taken.out.ends_with(&format!("{0} of {0} dead letters delivered\n", list.len())),
        "{}",
        taken.out
    );
    let verdict = stage.ledger.verdict();
    assert!(verdict.is_clean() && verdict.delivered == 5 * SERIES && verdict.duplicates == 0, "{verdict:?}");
    assert_eq!(listed(&stage).await, [Value::Null; 0]);
    until_async("the agent counts none", async || metric(&agent, kept).await == 0.0).await;
}

#[tokio::test]
async fn a_moment_that_is_refused_costs_no_other_sample() {
    let mut stage = Stage::new();
    let agent = refused(&mut stage, Mode::RefuseTime(FIRST_MS + 3_000), 10).await;
    let verdict = stage.ledger.verdict();
    assert_eq!((verdict.lost, verdict.delivered), (SERIES, 9 * SERIES), "{verdict:?}");
    assert_eq!((verdict.out_of_order, verdict.made_up, verdict.duplicates), (0, 0, 0));
    assert_eq!(upstream_status(&agent).await.samples_rejected, SERIES);
    stage.upstream.set_mode(Mode::Accept);
    let taken = retry(&stage, &["--all"]).await;
    assert_eq!((taken.code, taken.err.as_str()), (Some(0), ""));
    let verdict = stage.ledger.verdict();
    assert_eq!((verdict.lost, verdict.delivered, verdict.made_up), (0, 10 * SERIES, 0), "{verdict:?}");
}

/// Where the kills fall is the point of the test, so the wait is a time and no condition.
#[tokio::test]
async fn kill_9_loses_nothing_of_what_is_refused() {
    let stage = Stage::new();
    stage.upstream.set_mode(Mode::RefuseSeries(POISON.into()));
    let mut rng = Rng::new(7);
    let mut agent = stage.start().await;
    let flow = stage.flow(1, Duration::from_millis(10));
    for _ in 0..6 {
        stage.answered(5 * SERIES).await;
        tokio::time::sleep(Duration::from_millis(rng.below(60))).await;
        agent.kill().expect("it was started");
        agent = stage.start().await;
    }
    let verdict = stage.finish(&agent, flow).await;
    assert_eq!((verdict.out_of_order, verdict.made_up), (0, 0), "{verdict:?}");
    // All but the poison arrived, and each sample of that is in a letter, or in two.
    let scrapes = verdict.answered / SERIES;
    assert!(verdict.lost == scrapes && scrapes >= 30, "{verdict:?}");
    let exported = letters(&stage, &["export"]).await;
    assert_eq!((exported.code, exported.err.as_str()), (Some(0), ""));
    let kept: BTreeSet<i64> = exported_times(&exported.out).into_iter().collect();
    assert!(kept.is_superset(&times(scrapes as i64).into_iter().collect()), "{scrapes} scrapes, {kept:?}");
    stage.upstream.set_mode(Mode::Accept);
    assert_eq!(retry(&stage, &["--all"]).await.code, Some(0));
    let verdict = stage.ledger.verdict();
    assert_eq!((verdict.lost, verdict.out_of_order, verdict.made_up), (0, 0, 0), "{verdict:?}");
}

#[tokio::test]
async fn what_is_exported_can_be_pushed_and_what_is_purged_is_gone() {
    let mut stage = Stage::new();
    let mut agent = refused(&mut stage, Mode::RefuseSeries(POISON.into()), 3).await;
    let file = stage.folder.path().join("export.snappy").to_string_lossy().into_owned();
    let ran = letters(&stage, &["export", "--format", "remote-write", "--output", &file]).await;
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""));
    let lines = letters(&stage, &["export", "--format", "jsonl"]).await.out;
    let again = letters(&stage, &["export", "--output", &file]).await;
    assert!(again.code == Some(1) && again.err.contains(&file), "a file is never overwritten: {}", again.err);

    stage.upstream.set_mode(Mode::Accept);
    let mut client = Client::new(agent.address());
    let body = fs::read(&file).expect("it was written");
    let pushed = client.post("/api/v1/write", &[("content-encoding", "snappy")], body.into()).await;
    assert_eq!(pushed.expect("answered").status, 204);
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.duplicates == 0, "{verdict:?}");
    let pushed = client.post("/api/v1/import", &[], lines.into()).await;
    assert_eq!(pushed.expect("answered").status, 204);
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.duplicates == 3, "the same to the bit: {verdict:?}");

    // The agent is not needed.
    terminate(&mut agent).await;
    let first = listed(&stage).await[0]["number"].to_string();
    assert_eq!(letters(&stage, &["purge", "--before", "2020-01-01"]).await.code, Some(0));
    let count = listed(&stage).await.len();
    assert_eq!(letters(&stage, &["purge", &first]).await.code, Some(0));
    assert_eq!(listed(&stage).await.len(), count - 1);
    let missing = letters(&stage, &["purge", &first]).await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains(&format!("there is no dead letter {first}")), "{}", missing.err);
    assert_eq!(letters(&stage, &["purge"]).await.code, Some(64), "nothing is not all");
    let purged = letters(&stage, &["purge", "--all"]).await;
    assert!(purged.code == Some(0) && purged.out.contains("dead letters removed"), "{}", purged.out);
    assert_eq!(listed(&stage).await, [Value::Null; 0]);
    let none = letters(&stage, &["list"]).await;
    assert!(none.out.starts_with("no dead letters in "), "{}", none.out);
}

#[tokio::test]
async fn a_damaged_letter_is_told_and_hides_no_other() {
    let mut stage = Stage::new();
    let _agent = refused(&mut stage, Mode::RefuseSeries(POISON.into()), 3).await;
    let folder = Folder::new(stage.data_dir().join("dead-letters"));
    let entries = folder.list().expect("readable");
    let name = format!("{:010}-default.letter", entries[0].number);
    let path = folder.path().join(&name);
    let mut bytes = fs::read(&path).expect("it is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("writable");
    let ran = letters(&stage, &["list", "--json"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&name) && ran.err.contains("checksum"), "{}", ran.err);
    let others: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(others.len(), entries.len() - 1);
}

#[tokio::test]
async fn retry_to_an_upstream_that_is_away_keeps_the_letters() {
    let mut stage = Stage::new();
    let _agent = refused(&mut stage, Mode::RefuseSeries(POISON.into()), 3).await;
    let kept = listed(&stage).await.len();
    stage.upstream.close().await;
    let ran = retry(&stage, &["--all"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("is kept: cannot connect"), "{}", ran.err);
    assert!(ran.out.ends_with(&format!("0 of {kept} dead letters delivered\n")), "{}", ran.out);
    assert_eq!(listed(&stage).await.len(), kept);
}

/// As a delivery does: each of the URLs in turn, and a refusal is the answer of all of them.
#[tokio::test]
async fn retry_goes_to_the_next_url_where_one_is_away_and_to_no_other_where_one_refuses() {
    let mut stage = Stage::new();
    let _agent = refused(&mut stage, Mode::RefuseSeries(POISON.into()), 3).await;
    let kept = listed(&stage).await.len();
    let second = Upstream::start(&stage.ledger).expect("loopback");
    stage.write_urls(&[&stage.upstream.url(), &second.url()], "", "");
    let config = stage.config().to_string_lossy().into_owned();
    let retry = ["queue", "dead-letter", "retry", "--all", "--config", &config];

    let ran = run(&retry).await;
    assert_eq!(ran.code, Some(1), "the first refuses: {}", ran.err);
    assert_eq!((listed(&stage).await.len(), second.totals().requests), (kept, 0));

    stage.upstream.close().await;
    let ran = run(&retry).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.ends_with(&format!("{kept} of {kept} dead letters delivered\n")), "{}", ran.out);
    assert_eq!((listed(&stage).await.len(), second.totals().samples), (0, 3));

    let verdict = stage.ledger.verdict();
    assert_eq!((verdict.delivered, verdict.lost), (3 * SERIES, 0), "{verdict:?}");
}

#[tokio::test]
async fn nothing_is_kept_where_that_is_configured_until_it_is_configured_otherwise() {
    let stage = Stage::with_config("", "dead_letters: {max_bytes: 0B}");
    stage.upstream.set_mode(Mode::RefuseSeries(POISON.into()));
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(3).await;
    stage.drained(&agent).await;
    assert_eq!(upstream_status(&agent).await.samples_rejected, 3);
    assert_eq!(stage.ledger.verdict().delivered, 3 * (SERIES - 1));
    assert!(!stage.data_dir().join("dead-letters").exists());
    logged(&agent, "dead_letters.max_bytes is 0").await;
    stage.write_config(&stage.upstream.url(), "", "dead_letters: {max_bytes: 1MiB}");
    agent.reload().expect("it runs");
    logged(&agent, "applied=dead_letters.max_bytes").await;
    feed.push(2).await;
    stage.drained(&agent).await;
    let list = listed(&stage).await;
    assert_eq!(list.iter().map(|letter| letter["samples"].as_u64().unwrap_or(0)).sum::<u64>(), 2);
}

#[tokio::test]
async fn a_disk_that_takes_no_letter_holds_up_no_delivery() {
    let stage = Stage::new();
    fs::create_dir_all(stage.data_dir()).expect("writable");
    fs::write(stage.data_dir().join("dead-letters"), b"no folder").expect("writable");
    stage.upstream.set_mode(Mode::RefuseSeries(POISON.into()));
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(3).await;
    stage.drained(&agent).await;
    assert_eq!(stage.ledger.verdict().delivered, 3 * (SERIES - 1));
    let dropped = r#"pmm_buffer_dead_letters_dropped_total{upstream="default",reason="disk"}"#;
    assert!(metric(&agent, dropped).await >= 1.0);
    logged(&agent, "there is no dead letter of them").await;
    let ran = letters(&stage, &["list"]).await;
    assert!(ran.code == Some(1) && ran.err.contains("dead-letters"), "{}", ran.err);
    // Mended, it takes letters without a restart.
    fs::remove_file(stage.data_dir().join("dead-letters")).expect("it is there");
    feed.push(1).await;
    stage.drained(&agent).await;
    assert_eq!(listed(&stage).await.len(), 1);
}
