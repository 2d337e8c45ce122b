//! The upstream in each of its modes, driven by the harness's own clients.

use super::*;
use crate::harness::wait::{DEADLINE, until};
use crate::harness::{Client, Format, HostLoad, Protocol, Pusher, pack};
use tokio::time::timeout;

const NOW_MS: i64 = 1_700_000_000_000;
const SERIES: u64 = 50;

fn start() -> (Upstream, SharedLedger, HostLoad) {
    let ledger = SharedLedger::default();
    (Upstream::start(&ledger).expect("loopback"), ledger, HostLoad::new(1, 0, SERIES as usize))
}

/// Takes note of the host's next scrape as pushed and answered, and returns its body.
fn scrape(host: &mut HostLoad, ledger: &SharedLedger, at: i64) -> Bytes {
    let push = host.scrape(NOW_MS + at);
    let mut ledger = ledger.lock();
    ledger.pushed(&push);
    ledger.answered(&push);
    pack(&push)
}

async fn push(upstream: &Upstream, body: Bytes) -> io::Result<crate::harness::Answer> {
    timeout(DEADLINE, Pusher::new(upstream.address()).push(body)).await.expect("an answer or an end")
}

#[tokio::test]
async fn what_it_takes_is_in_the_ledger_and_in_the_totals() {
    let (upstream, ledger, mut host) = start();
    let body = scrape(&mut host, &ledger, 0);
    let length = body.len() as u64;
    assert_eq!(push(&upstream, body).await.expect("answered").status, 204);
    let verdict = ledger.verdict();
    assert!(verdict.is_clean() && verdict.delivered == SERIES, "{verdict:?}");
    let expected =
        Totals { requests: 1, samples: SERIES, body_bytes: length, in_flight: 0, max_in_flight: 1 };
    assert_eq!(upstream.totals(), expected);
    let seen = &upstream.seen()[0];
    assert_eq!((seen.status, seen.samples, seen.body_bytes), (Some(204), SERIES, length));
    assert_eq!(seen.target, "/api/v1/write");
    assert_eq!(seen.headers["content-encoding"], "snappy");
}

#[tokio::test]
async fn zstd_is_taken_until_it_is_refused() {
    let (upstream, ledger, mut host) = start();
    let push = host.scrape(NOW_MS);
    ledger.lock().pushed(&push);
    let mut body = Vec::new();
    wire::encode(&push, &mut body);
    let body = Bytes::from(zstd::encode_all(body.as_slice(), 1).expect("in memory"));
    let mut client = Client::new(upstream.address());
    for (mode, status) in [(Mode::RefuseZstd(415), 415), (Mode::Accept, 204)] {
        upstream.set_mode(mode);
        let answer = client.post("/write", &[("content-encoding", "zstd")], body.clone()).await;
        assert_eq!(answer.expect("answered").status, status);
    }
    assert_eq!(ledger.verdict().delivered, SERIES);
}

#[tokio::test]
async fn pushes_are_kept_whole_once_that_is_asked_for() {
    let (upstream, ledger, mut host) = start();
    let first = scrape(&mut host, &ledger, 0);
    assert_eq!(push(&upstream, first).await.expect("answered").status, 204);
    upstream.keep_pushes();
    let kept = host.scrape(NOW_MS + 1);
    assert_eq!(push(&upstream, pack(&kept)).await.expect("answered").status, 204);
    assert_eq!(upstream.pushes(), [kept]);
}

#[tokio::test]
async fn who_has_not_the_word_is_not_let_in() {
    let (upstream, ledger, mut host) = start();
    upstream.set_mode(Mode::Authorize("Bearer word".into()));
    let body = scrape(&mut host, &ledger, 0);
    let mut client = Client::new(upstream.address());
    for (authorization, status) in [("Bearer other", 401), ("Bearer word", 204)] {
        let headers = [("content-encoding", "snappy"), ("authorization", authorization)];
        let answer = client.post("/write", &headers, body.clone()).await;
        assert_eq!(answer.expect("answered").status, status);
    }
    assert_eq!(push(&upstream, body).await.expect("answered").status, 401);
    assert_eq!(ledger.verdict().duplicates, 0);
}

#[tokio::test]
async fn a_request_with_the_refused_series_is_refused_whole() {
    let (upstream, ledger, mut host) = start();
    let body = scrape(&mut host, &ledger, 0);
    for (name, status) in [("up", 400), ("no_such_series", 204)] {
        upstream.set_mode(Mode::RefuseSeries(name.into()));
        assert_eq!(push(&upstream, body.clone()).await.expect("answered").status, status);
    }
    assert_eq!((ledger.verdict().delivered, ledger.verdict().duplicates), (SERIES, 0));
}

#[tokio::test]
async fn a_script_comes_before_the_mode() {
    let (upstream, ledger, mut host) = start();
    upstream.script([Mode::Answer { status: 503, retry_after: Some(Duration::from_secs(7)) }, Mode::Reset]);
    let body = scrape(&mut host, &ledger, 0);
    let busy = push(&upstream, body.clone()).await.expect("answered");
    assert_eq!((busy.status, busy.headers["retry-after"].as_bytes()), (503, &b"7"[..]));
    push(&upstream, body.clone()).await.expect_err("the connection is reset");
    assert_eq!(ledger.verdict().delivered, 0);
    assert_eq!(push(&upstream, body).await.expect("answered").status, 204);
    assert_eq!(ledger.verdict().delivered, SERIES);
}

#[tokio::test]
async fn a_lost_answer_makes_a_duplicate() {
    let (upstream, ledger, mut host) = start();
    upstream.script([Mode::LoseAnswer]);
    let body = scrape(&mut host, &ledger, 0);
    let tries = Pusher::new(upstream.address()).push_until_answered(body).await.expect("not refused");
    assert_eq!(tries, 2);
    let verdict = ledger.verdict();
    assert!(verdict.is_clean() && verdict.duplicates == SERIES, "{verdict:?}");
}

#[tokio::test]
async fn a_refused_push_is_not_repeated() {
    let (upstream, _, mut host) = start();
    upstream.set_mode(Mode::Answer { status: 400, retry_after: None });
    let body = pack(&host.scrape(NOW_MS));
    let refused = Pusher::new(upstream.address()).push_until_answered(body).await.expect_err("refused");
    assert_eq!(refused.to_string(), "a push was refused with 400: as told");
    assert_eq!(upstream.totals().requests, 1);
}

#[tokio::test]
async fn going_down_ends_what_hangs_and_refuses_until_it_is_back() {
    let (mut upstream, ledger, mut host) = start();
    upstream.set_mode(Mode::Hang);
    let body = scrape(&mut host, &ledger, 0);
    let mut pusher = Pusher::new(upstream.address());
    let hanging = tokio::spawn({
        let body = body.clone();
        async move { pusher.push(body).await }
    });
    until("the request is in flight", || upstream.totals().in_flight == 1).await;
    upstream.close().await;
    timeout(DEADLINE, hanging).await.expect("ended").expect("no panic").expect_err("aborted");
    assert_eq!(upstream.totals().in_flight, 0);
    let refused = push(&upstream, body.clone()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    upstream.set_mode(Mode::Accept);
    upstream.open().expect("the port is ours");
    assert_eq!(push(&upstream, body).await.expect("answered").status, 204);
    assert_eq!(upstream.seen()[0].status, None);
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_samples_are_taken() {
    let (upstream, ledger, mut host) = start();
    upstream.set_mode(Mode::Slow(DEADLINE * 100));
    let body = scrape(&mut host, &ledger, 0);
    let mut pusher = Pusher::new(upstream.address());
    let pushing = tokio::spawn(async move { pusher.push(body).await });
    until("the samples are taken", || ledger.verdict().delivered == SERIES).await;
    assert!(!pushing.is_finished());
    pushing.abort();
    until("the request is given up", || upstream.totals().in_flight == 0).await;
}

#[tokio::test]
async fn what_is_no_write_request_is_answered_with_400() {
    let (upstream, ledger, _) = start();
    let answer = push(&upstream, Bytes::from_static(b"\xff\xff\xff")).await.expect("answered");
    assert_eq!(answer.status, 400);
    assert_eq!(ledger.verdict(), Default::default());
}

#[tokio::test]
async fn remote_write_2_is_taken_too() {
    let (upstream, ledger, mut host) = start();
    let push = host.scrape(NOW_MS);
    ledger.lock().pushed(&push);
    let protocol = Protocol::new(Format::RemoteWrite2, None).expect("snappy");
    let answer =
        Client::new(upstream.address()).post("/write", protocol.headers(), protocol.pack(&push)).await;
    assert_eq!(answer.expect("answered").status, 204);
    assert_eq!((ledger.verdict().delivered, ledger.verdict().made_up), (SERIES, 0));
}

#[tokio::test]
async fn requests_with_any_of_the_refused_share_of_series_are_refused_whole() {
    let (upstream, ledger, mut host) = start();
    let body = scrape(&mut host, &ledger, 0);
    for (per_million, status) in [(1_000_000, 400), (0, 204)] {
        upstream.set_mode(Mode::RefuseShare { per_million });
        assert_eq!(push(&upstream, body.clone()).await.expect("answered").status, status);
    }
    // One series a request: about as many are refused as is said.
    let push = HostLoad::new(2, 0, 2_000).scrape(NOW_MS);
    let refused: Vec<bool> = push
        .series()
        .map(|series| {
            let mut one = crate::model::PushBuilder::default();
            let labels = one.store(series.labels);
            one.series(labels, crate::model::Span::default());
            Mode::RefuseShare { per_million: 250_000 }.refuses(&one.finish()).is_some()
        })
        .collect();
    let count = refused.iter().filter(|is_refused| **is_refused).count();
    assert!((400..600).contains(&count), "{count} of 2000");
}

#[tokio::test]
async fn a_narrow_line_lets_through_so_many_bytes_a_second_over_all_connections() {
    let (upstream, ledger, mut host) = start();
    let bodies: Vec<Bytes> = (0..4).map(|at| scrape(&mut host, &ledger, at)).collect();
    let bytes: usize = bodies.iter().map(Bytes::len).sum();
    // All of it in half a second.
    upstream.set_mode(Mode::Narrow { bytes_per_second: bytes as u64 * 2 });
    let begun = Instant::now();
    let [a, b, c, d] = bodies.try_into().expect("four");
    let push = |body| push(&upstream, body);
    for answer in <[_; 4]>::from(tokio::join!(push(a), push(b), push(c), push(d))) {
        assert_eq!(answer.expect("answered").status, 204);
    }
    assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
    assert_eq!(ledger.verdict().delivered, 4 * SERIES);
}
