//! `queue inspect`, `verify` and `repair`, as a person with a problem calls them.

use crate::commands::run;
use crate::stage::{SERIES, Stage, logged, terminate};
use crate::start::ended;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a store whose names end like this.
fn files(queue: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(queue).expect("a folder").map(|entry| entry.expect("a file").path());
    entries.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[tokio::test]
async fn inspect_and_verify_show_what_a_running_agent_holds() {
    let mut stage = Stage::new();
    let mut agent = stage.start().await;
    stage.upstream.close().await;
    stage.feed().push(5).await;
    let data = stage.data_dir().to_string_lossy().into_owned();

    let inspected = run(&["queue", "inspect", "--data-dir", &data]).await;
    assert_eq!((inspected.code, inspected.err.as_str()), (Some(0), ""));
    for part in ["5 records (positions 0 to 5), 500 samples of 100 series", "a sample, accepted 20"] {
        assert!(inspected.out.contains(part), "{part} is not in:\n{}", inspected.out);
    }
    let json = run(&["queue", "inspect", "--data-dir", &data, "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["total"]["samples"], 5 * SERIES);
    assert_eq!(json["segments"][0]["records"], 5);
    assert_eq!(json["losses"], Value::Array(Vec::new()));

    let verified = run(&["queue", "verify", "--data-dir", &data]).await;
    assert_eq!((verified.code, verified.err.as_str()), (Some(0), ""));
    assert!(verified.out.ends_with("Sound: every record reads.\n"), "{}", verified.out);
    // Nothing of it was in the agent's way.
    stage.upstream.open().expect("the same port");
    let verdict = stage.drained(&agent).await;
    assert_eq!((verdict.delivered, verdict.lost), (5 * SERIES, 0));
    terminate(&mut agent).await;
}

#[tokio::test]
async fn verify_says_what_is_damaged_before_the_agent_finds_it() {
    let stage = Stage::with_config("", "");
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(3).await;
    agent.kill().expect("it was running");
    let queue = stage.data_dir().join("queue");
    let logs = files(&queue, ".log");
    let log = logs.iter().max_by_key(|log| fs::metadata(log).expect("it is there").len()).expect("a log");
    let mut bytes = fs::read(log).expect("readable");
    // The labels of the first push are the bulk of it.
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    bytes[end / 4] ^= 1;
    fs::write(log, bytes).expect("writable");

    let config = stage.config().to_string_lossy().into_owned();
    let verified = run(&["queue", "verify", "--config", &config]).await;
    assert_eq!((verified.code, verified.err.as_str()), (Some(1), ""), "{}", verified.out);
    for part in ["Damaged: Corruption: ", "samples are lost", "Check the disk"] {
        assert!(verified.out.contains(part), "{part} is not in:\n{}", verified.out);
    }
    let agent = stage.start().await;
    logged(&agent, "the queue is damaged").await;
    feed.push(1).await;
    stage.drained(&agent).await;
}

#[tokio::test]
async fn a_queue_that_is_refused_says_what_to_run_and_comes_back_whole() {
    let mut stage = Stage::new();
    let mut agent = stage.start().await;
    stage.upstream.close().await;
    stage.feed().push(4).await;
    agent.kill().expect("it was running");
    let queue = stage.data_dir().join("queue");
    fs::remove_file(queue.join("CURRENT")).expect("it was there");

    let mut refused = stage.launch.start().expect("the program starts");
    let exit = ended(&mut refused).await;
    assert_eq!(exit.code(), Some(1));
    assert!(refused.log().contains("pmm-buffer queue repair"), "{}", refused.log());

    let data = stage.data_dir().to_string_lossy().into_owned();
    let verified = run(&["queue", "verify", "--data-dir", &data]).await;
    assert_eq!((verified.code, verified.out.as_str()), (Some(1), ""));
    assert!(verified.err.contains("pmm-buffer queue repair"), "{}", verified.err);
    let repaired = run(&["queue", "repair", "--data-dir", &data]).await;
    assert_eq!((repaired.code, repaired.err.as_str()), (Some(0), ""), "{}", repaired.out);
    assert!(repaired.out.contains("400 samples of 100 series"), "{}", repaired.out);

    let again = run(&["queue", "repair", "--data-dir", &data]).await;
    assert_eq!(again.code, Some(0));
    assert!(again.out.contains("nothing was changed"), "{}", again.out);

    let agent = stage.start().await;
    stage.upstream.open().expect("the same port");
    let verdict = stage.drained(&agent).await;
    assert_eq!((verdict.delivered, verdict.lost, verdict.out_of_order), (4 * SERIES, 0, 0));
}

#[tokio::test]
async fn repair_leaves_a_queue_alone_that_an_agent_has_open() {
    let stage = Stage::new();
    let mut agent = stage.start().await;
    stage.feed().push(1).await;
    fs::remove_file(stage.data_dir().join("queue/CURRENT")).expect("it was there");
    let data = stage.data_dir().to_string_lossy().into_owned();
    let refused = run(&["queue", "repair", "--data-dir", &data]).await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert!(refused.err.contains("in use by another process"), "{}", refused.err);
    terminate(&mut agent).await;
}

#[tokio::test]
async fn a_place_that_is_no_queue_is_told_and_64_is_for_a_bad_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_string_lossy().into_owned();
    let nowhere = run(&["queue", "inspect", "--data-dir", &path]).await;
    assert_eq!((nowhere.code, nowhere.out.as_str()), (Some(1), ""));
    assert!(nowhere.err.starts_with("error: cannot use "), "{}", nowhere.err);
    assert_eq!(fs::read_dir(&path).expect("a folder").count(), 0);
    let bad = folder.path().join("bad.yml");
    fs::write(&bad, "listen: here\n").expect("writable");
    let bad = run(&["queue", "verify", "--config", &bad.to_string_lossy()]).await;
    assert_eq!((bad.code, bad.out.as_str()), (Some(64), ""));
}
