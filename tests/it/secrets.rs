//! Secrets are used, and appear nowhere.

use crate::stage::{SERIES, Stage, binary, logged, page, terminate, upstream_status};
use pmm_buffer::harness::Mode;
use pmm_buffer::harness::wait::{until, until_async};
use std::fs;
use std::process::Command;

const PASSWORD: &str = "Pa55word-of-the-service-token";
/// `service_token:` and the password, in base64.
const BASIC: &str = "Basic c2VydmljZV90b2tlbjpQYTU1d29yZC1vZi10aGUtc2VydmljZS10b2tlbg==";
const HEADER: &str = "S3cret-of-a-header";
const QUERY: &str = "T0ken-in-the-query";

/// What gives a secret away.
const MARKERS: [&str; 3] = ["Pa55word", "c2VydmljZV90b2tlbjpQYTU1", "S3cret"];

fn assert_hidden(what: &str, text: &str) {
    for marker in MARKERS {
        assert!(!text.contains(marker), "{what} holds {marker}:\n{text}");
    }
}

fn entry(password: &str) -> String {
    format!(
        "    basic_auth:\n      username: service_token\n      {password}\n    headers:\n      X-Token: {HEADER}"
    )
}

fn output(args: &[&str]) -> String {
    let output = Command::new(binary()).args(args).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

/// Takes the agent through delivery, 401, an outage, a reload and its end, and looks everywhere.
async fn appears_nowhere(stage: &mut Stage) {
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    stage.upstream.set_mode(Mode::Authorize(BASIC.into()));
    feed.push(1).await;
    stage.delivered(SERIES).await;
    let seen = stage.upstream.seen().pop().expect("a request");
    assert_eq!(seen.headers["authorization"], BASIC);
    assert_eq!(seen.headers["x-token"], HEADER);
    assert!(seen.target.contains(QUERY), "{}", seen.target);

    stage.upstream.set_mode(Mode::Answer { status: 401, retry_after: None });
    feed.push(1).await;
    until_async("401 is shown", async || {
        upstream_status(&agent).await.last_error.is_some_and(|error| error.contains("401"))
    })
    .await;
    let mut texts = vec![("status after 401", page(&agent, "/api/v1/status").await)];
    stage.upstream.close().await;
    until_async("the refused connection is shown", async || {
        upstream_status(&agent).await.last_error.is_some_and(|error| error.contains("refused"))
    })
    .await;
    let url = format!("http://{}", agent.address());
    texts.extend([
        ("status after a refused connection", page(&agent, "/api/v1/status").await),
        ("metrics", page(&agent, "/metrics").await),
        ("page", page(&agent, "/").await),
        ("status command", output(&["status", "--url", &url])),
        ("status command's JSON", output(&["status", "--url", &url, "--json"])),
        ("check-config", output(&["check-config", &stage.config().to_string_lossy()])),
        ("command line", fs::read_to_string(format!("/proc/{}/cmdline", agent.id())).expect("it runs")),
    ]);
    agent.reload().expect("it runs");
    logged(&agent, "configuration reloaded").await;
    stage.upstream.set_mode(Mode::Accept);
    stage.upstream.open().expect("the port is ours");
    stage.delivered(2 * SERIES).await;
    terminate(&mut agent).await;
    let log = agent.log();
    // It is at level debug: the attempts are there.
    assert!(log.contains("DEBUG") && log.contains("401"), "{log}");
    texts.push(("log", log));
    for (what, text) in &texts {
        assert!(!text.is_empty(), "{what} is empty");
        assert_hidden(what, text);
        assert!(!text.contains(QUERY), "{what}:\n{text}");
    }
}

#[tokio::test]
async fn secrets_of_the_file_appear_nowhere() {
    let mut stage = Stage::with_config("", "");
    let url = format!("{}?token={QUERY}", stage.upstream.url());
    stage.write_config(&url, &entry(&format!("password: {PASSWORD}")), "log: {level: debug}");
    appears_nowhere(&mut stage).await;
}

#[tokio::test]
async fn secrets_of_files_beside_it_appear_nowhere() {
    let mut stage = Stage::with_config("", "");
    fs::write(stage.folder.path().join("token"), format!("{PASSWORD}\n")).expect("writable");
    let url = format!("{}?token={QUERY}", stage.upstream.url());
    stage.write_config(&url, &entry("password_file: token"), "log: {level: debug, format: json}");
    appears_nowhere(&mut stage).await;
}

#[tokio::test]
async fn a_password_of_the_environment_appears_nowhere() {
    let mut stage = Stage::with_config("", "");
    let url = format!("{}?token={QUERY}", stage.upstream.url());
    let entry = format!("    headers:\n      X-Token: {HEADER}");
    stage.write_config(&url, &entry, "log: {level: debug}");
    stage.launch.env = vec![
        ("PMM_BUFFER_REMOTE_WRITE_USERNAME".into(), "service_token".into()),
        ("PMM_BUFFER_REMOTE_WRITE_PASSWORD".into(), PASSWORD.into()),
    ];
    appears_nowhere(&mut stage).await;
}

#[tokio::test]
async fn a_credential_file_that_is_missing_is_named_without_its_content_and_tried_again() {
    let stage = Stage::with_config("", "");
    stage.write_config(&stage.upstream.url(), &entry("password_file: token"), "");
    let agent = stage.start().await;
    stage.feed().push(1).await;
    let file = stage.folder.path().join("token");
    until_async("the missing file is named", async || {
        let error = upstream_status(&agent).await.last_error;
        error.is_some_and(|error| error.contains(&*file.to_string_lossy()))
    })
    .await;
    stage.upstream.set_mode(Mode::Authorize(BASIC.into()));
    fs::write(&file, PASSWORD).expect("writable");
    until("it is delivered", || stage.ledger.verdict().delivered == SERIES).await;
    assert_hidden("log", &agent.log());
}
