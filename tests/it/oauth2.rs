//! `oauth2`: tokens that a server gives out.

use crate::stage::{SERIES, Stage, logged, metric, page, upstream_status};
use pmm_buffer::harness::wait::{until, until_async};
use pmm_buffer::harness::{Grants, Mode, TokenServer};
use pmm_buffer::status::UpstreamState;
use std::fs;

const SECRET: &str = "S3cret-of-the-client";
/// `buffer:S3cret-of-the-client` in base64.
const BASIC: &str = "Basic YnVmZmVyOlMzY3JldC1vZi10aGUtY2xpZW50";
const MARKERS: [&str; 4] = ["S3cret", "YnVmZmVyOlMzY3JldC", "token-1", "token-2"];

fn grants() -> Grants {
    Grants { authorization: BASIC.into(), body: Vec::new(), expires_in: Some(3600) }
}

/// A stage whose agent gets its tokens from a server, with the secret in a file.
fn staged(grants: Grants) -> (Stage, TokenServer) {
    let stage = Stage::with_config("", "");
    let tokens = TokenServer::start(grants).expect("loopback");
    let entry = format!(
        "    oauth2:\n      client_id: buffer\n      client_secret_file: secret\n      token_url: {}?q=S3cret\n      \
         scopes: [write, read]\n      endpoint_params: {{audience: a b}}\n    \
         queue_config: {{max_backoff: 500ms}}",
        tokens.url()
    );
    fs::write(secret_file(&stage), format!("{SECRET}\n")).expect("writable");
    stage.write_config(&stage.upstream.url(), &entry, "log: {level: debug}");
    stage.upstream.set_mode(Mode::Authorize("Bearer token-1".into()));
    (stage, tokens)
}

fn secret_file(stage: &Stage) -> std::path::PathBuf {
    stage.folder.path().join("secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_serves_many_requests_and_a_401_brings_a_new_one() {
    let (stage, tokens) = staged(grants());
    let agent = stage.start().await;
    let mut feed = stage.feed();
    for scrapes in 1..=3 {
        feed.push(1).await;
        stage.delivered(scrapes * SERIES).await;
    }
    assert_eq!(tokens.issued(), 1);
    assert_eq!(tokens.bodies(), ["grant_type=client_credentials&scope=write+read&audience=a+b"]);
    // It was taken back before its time.
    stage.upstream.set_mode(Mode::Authorize("Bearer token-2".into()));
    feed.push(1).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 4 * SERIES, "{verdict:?}");
    assert_eq!((tokens.issued(), stage.upstream.totals().requests), (2, 5));
    for shown in [agent.log(), page(&agent, "/api/v1/status").await, page(&agent, "/").await] {
        MARKERS.iter().for_each(|marker| assert!(!shown.contains(marker), "{marker} in {shown}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_renewed_before_the_upstream_refuses_it() {
    let (stage, tokens) = staged(Grants { expires_in: Some(0), ..grants() });
    let agent = stage.start().await;
    let mut feed = stage.feed();
    for token in 1..=3 {
        stage.upstream.set_mode(Mode::Authorize(format!("Bearer token-{token}")));
        feed.push(1).await;
        stage.delivered(token * SERIES).await;
    }
    stage.drained(&agent).await;
    // No request was refused.
    assert_eq!((tokens.issued(), stage.upstream.totals().requests), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_is_away_is_tried_again_and_the_upstream_is_left_alone() {
    let (stage, mut tokens) = staged(grants());
    tokens.close().await;
    let agent = stage.start().await;
    stage.feed().push(2).await;
    let retried = r#"pmm_buffer_batches_retried_total{upstream="default",reason="auth"}"#;
    until_async("it is tried again", async || metric(&agent, retried).await >= 3.0).await;
    let error = upstream_status(&agent).await.last_error.unwrap_or_default();
    assert!(error.contains(&format!("cannot get a token from {}: cannot connect", tokens.url())), "{error}");
    assert_eq!(stage.upstream.totals().requests, 0);
    tokens.open().expect("the same port");
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 2 * SERIES, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_says_what_to_do_and_the_right_one_needs_no_reload() {
    let (stage, tokens) = staged(grants());
    fs::write(secret_file(&stage), "S3cret-that-is-wrong").expect("writable");
    let agent = stage.start().await;
    stage.feed().push(1).await;
    logged(&agent, "it answered 401 invalid_client").await;
    let status = upstream_status(&agent).await;
    let error = status.last_error.unwrap_or_default();
    assert_eq!(status.state, UpstreamState::Down);
    assert!(error.contains("it does not accept client_id and client_secret, check both"), "{error}");
    assert!(page(&agent, "/").await.contains("its access is refused"));
    fs::write(secret_file(&stage), SECRET).expect("writable");
    until("it is delivered", || stage.ledger.verdict().delivered == SERIES).await;
    MARKERS[..2].iter().for_each(|marker| assert!(!agent.log().contains(marker), "{}", agent.log()));
    assert_eq!(tokens.issued(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let body = vec!["client_id=buffer".into(), format!("client_secret={SECRET}")];
    let (stage, tokens) = staged(Grants { authorization: "never".into(), body, expires_in: Some(0) });
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    stage.delivered(SERIES).await;
    stage.upstream.set_mode(Mode::Authorize("Bearer token-2".into()));
    feed.push(1).await;
    stage.drained(&agent).await;
    // Asked in the other way only once.
    assert_eq!((tokens.issued(), tokens.bodies().len()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_for_all_urls_of_an_entry() {
    let (mut stage, tokens) = staged(grants());
    let second = pmm_buffer::harness::Upstream::start(&stage.ledger).expect("loopback");
    second.set_mode(Mode::Authorize("Bearer token-1".into()));
    let text = fs::read_to_string(stage.config()).expect("readable");
    let (first, urls) = (stage.upstream.url(), [stage.upstream.url(), second.url()]);
    fs::write(stage.config(), text.replace(&format!("url: {first}\n"), &format!("urls: {urls:?}\n")))
        .expect("writable");
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    stage.delivered(SERIES).await;
    stage.upstream.close().await;
    feed.push(1).await;
    stage.drained(&agent).await;
    assert_eq!((second.totals().samples, tokens.issued()), (SERIES, 1));
}
