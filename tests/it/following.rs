//! `pmm:` in an entry of `remote_write`: what is followed comes, changes and goes while the agent runs.

use crate::commands::run;
use crate::stage::{SERIES, Stage, logged, metric, page, terminate, upstream_status};
use pmm_buffer::harness::Upstream;
use pmm_buffer::harness::wait::until_async;
use pmm_buffer::status::UpstreamState;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const INDEX: &str = r#"pmm_buffer_upstream_url_index{upstream="default"}"#;

const UP: &str = r#"pmm_buffer_upstream_up{upstream="default"}"#;

/// A stage whose agent is told where to send to by a file, which is not there yet.
fn following() -> (Stage, PathBuf) {
    let stage = Stage::with_config("", "");
    let file = stage.folder.path().join("upstream.json");
    stage.write_followed(&file);
    (stage, file)
}

/// Has the file say so, as the shim does: whole or not at all.
fn say(file: &std::path::Path, url: &str) {
    let beside = file.with_extension("tmp");
    fs::write(&beside, json!({ "url": url }).to_string()).expect("writable");
    fs::rename(beside, file).expect("writable");
}

#[tokio::test]
async fn with_nothing_to_follow_yet_pushes_are_kept_and_go_out_once_there_is() {
    let (stage, file) = following();
    let mut agent = stage.start().await;
    stage.feed().push(3).await;
    logged(&agent, "nowhere to send to yet, pushes are kept and delivered once there is").await;
    let status = upstream_status(&agent).await;
    assert_eq!((status.state, status.backlog_samples), (UpstreamState::Down, 3 * SERIES));
    let error = status.last_error.unwrap_or_default();
    assert!(error.contains(&*file.to_string_lossy()), "{error}");
    assert_eq!((metric(&agent, INDEX).await, metric(&agent, UP).await), (0.0, 0.0));
    let shown = run(&["status", "--url", &format!("http://{}", agent.address())]).await;
    assert_eq!(shown.code, Some(1));
    for part in
        ["nothing says yet where upstream default is", "pmm-agent install --restart", "not known yet (pmm)"]
    {
        assert!(shown.out.contains(part), "{part} is not in {}", shown.out);
    }
    assert!(page(&agent, "/").await.contains("not known yet"));

    // It outlives a restart, and is said once each time.
    terminate(&mut agent).await;
    let agent = stage.start().await;
    logged(&agent, "backlog_samples=300").await;
    say(&file, &stage.upstream.url());
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
    assert_eq!((metric(&agent, INDEX).await, metric(&agent, UP).await), (1.0, 1.0));
    let log = agent.log();
    assert_eq!(log.matches("nowhere to send to yet").count(), 2, "{log}");
    assert!(log.contains("upstream is back, what it missed is delivered"), "{log}");
}

#[tokio::test]
async fn another_url_gets_what_the_first_one_missed_and_a_file_that_goes_changes_nothing() {
    let (mut stage, file) = following();
    say(&file, &stage.upstream.url());
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(2).await;
    stage.delivered(2 * SERIES).await;
    // The server is moved: what was accepted meanwhile is kept under the entry's name, over a restart too.
    stage.upstream.close().await;
    feed.push(3).await;
    until_async("the outage is noticed", async || upstream_status(&agent).await.last_error.is_some()).await;
    terminate(&mut agent).await;
    let agent = stage.start().await;
    feed.push(1).await;
    let moved = Upstream::start(&stage.ledger).expect("loopback");
    say(&file, &moved.url());
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 6 * SERIES, "{verdict:?}");
    assert_eq!((moved.totals().samples, upstream_status(&agent).await.url), (4 * SERIES, moved.url()));

    fs::remove_file(&file).expect("there");
    logged(&agent, "nothing says any more where to send to, what was said last stays").await;
    feed.push(1).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 7 * SERIES, "{verdict:?}");
    assert_eq!(upstream_status(&agent).await.url, moved.url());
}

#[tokio::test]
async fn check_config_says_what_is_missing_and_takes_it() {
    let (stage, file) = following();
    let config = stage.config();
    let config = config.to_str().expect("text");
    let ran = run(&["check-config", config]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("nothing says yet where PMM Server is"), "{}", ran.err);
    assert!(
        ran.out.contains(&format!("- pmm: \"{}\"", file.display()))
            || ran.out.contains(&format!("- pmm: {}", file.display())),
        "{}",
        ran.out
    );
    fs::write(&file, "{\"url\": \"no url\"}").expect("writable");
    let ran = run(&["check-config", config]).await;
    assert_eq!(ran.code, Some(64), "{}", ran.out);
    assert!(
        ran.err.contains("remote_write[0].pmm") || ran.err.contains("remote_write[0].url"),
        "{}",
        ran.err
    );
}
