//! Bodies that are too long, too slow, cut short or lie about themselves: an answer, and nothing kept.

use super::*;
use std::time::Instant;

fn impatient() -> config::Server {
    config::Server { read_timeout: Duration::from_millis(150), ..limits() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_body_is_taken_whatever_its_chunks() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let body = body(20_000);
    for size in [1, 7, 4096, body.len()] {
        let size = if size == 1 { body.len() / 50_000 + 1 } else { size };
        let mut request = push_head("/api/v1/write", "Transfer-Encoding: chunked");
        request.extend(chunked(&body, size));
        assert_eq!(client.ask(&request).await.status, 204, "chunks of {size}");
    }
    assert!(agent.queue.appended().iter().all(|(push, _)| push.counts().samples == 20_000));
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declared_length_over_the_limit_gets_413_before_the_body_is_sent() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let head = push_head("/api/v1/write", "Content-Length: 1048577");
    let answer = client.ask(&head).await;
    assert_eq!(answer.status, 413);
    assert!(answer.closes() && answer.body.contains("1048576"), "{answer:?}");
    client.closed().await;
    assert_eq!(agent.refused("too_large"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_on_regardless_can_read_its_413() {
    let agent = Agent::start(limits()).await;
    for header in ["Content-Length: 30000000", "Transfer-Encoding: chunked"] {
        let mut client = agent.client().await;
        client.send(&push_head("/api/v1/write", header)).await;
        let large = vec![0u8; 30_000_000];
        let sent = if header.starts_with('C') { large } else { chunked(&large, 65_536) };
        client.send(&sent).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 413, "{header}");
        client.closed().await;
    }
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_itself_is_not_over_the_limit() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let exact = vec![0u8; 1 << 20];
    let answer = client.ask(&push_request("/api/v1/write", &exact)).await;
    assert_eq!(answer.status, 400, "read whole, and no snappy: {answer:?}");
    let mut request = push_head("/api/v1/write", "Transfer-Encoding: chunked");
    request.extend(chunked(&exact, 10_000));
    assert_eq!(client.ask(&request).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_unpacks_beyond_the_limit_gets_413() {
    let agent = Agent::start(limits()).await;
    let packed = pack(&vec![0u8; (1 << 20) + 1]);
    assert!(packed.len() < 1 << 17);
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &packed)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_no_machine_could_hold_gets_413_and_no_allocation() {
    let agent = Agent::start(limits()).await;
    let head = push_head("/api/v1/write", "Content-Length: 9223372036854775807");
    assert_eq!(agent.client().await.ask(&head).await.status, 413);
    for nonsense in ["-1", "1e3", "99999999999999999999999", "3, 4"] {
        let head = push_head("/api/v1/write", &format!("Content-Length: {nonsense}"));
        let answer = agent.client().await.ask(&head).await;
        assert_eq!(answer.status, 400, "{nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_without_any_length_gets_411() {
    let agent = Agent::start(limits()).await;
    let answer = agent.client().await.ask(b"POST /api/v1/write HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(answer.status, 411);
    assert_eq!(agent.refused("bad_request"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_cut_short_is_refused_whole() {
    let agent = Agent::start(limits()).await;
    let body = body(500);
    let mut whole = push_head("/api/v1/write", "Transfer-Encoding: chunked");
    let head = whole.len();
    whole.extend(chunked(&body, 100));
    let declared = push_request("/api/v1/write", &body);
    let declared_head = declared.len() - body.len();
    let cuts = [
        &declared[..declared.len() - 1],
        &declared[..declared_head + 1],
        &declared[..declared_head],
        &whole[..whole.len() - 1],
        // All the data is there, and only the last chunk is not.
        &whole[..whole.len() - 5],
        &whole[..head + 50],
        &whole[..head + 1],
    ];
    for (at, cut) in cuts.iter().enumerate() {
        let mut client = agent.client().await;
        client.send(cut).await;
        client.finish().await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "cut {at}: {answer:?}");
        client.closed().await;
    }
    assert_eq!(agent.refused("truncated"), cuts.len() as u64);
    assert_eq!(agent.queue.begun(), 0);
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_that_dies_within_its_body_leaves_nothing() {
    let agent = Agent::start(limits()).await;
    let request = push_request("/api/v1/write", &body(500));
    let mut client = agent.client().await;
    client.send(&request[..request.len() - 1]).await;
    until("its body is awaited", || agent.metrics.in_flight_bytes.get() > 0).await;
    drop(client);
    until("it is gone", || agent.metrics.connections.get() == 0).await;
    assert_eq!(agent.queue.begun(), 0);
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_make_no_sense_get_400() {
    let agent = Agent::start(limits()).await;
    for bad in ["xyz\r\nabc\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let mut request = push_head("/api/v1/write", "Transfer-Encoding: chunked");
        request.extend_from_slice(bad.as_bytes());
        let answer = agent.client().await.ask(&request).await;
        assert_eq!(answer.status, 400, "{bad:?}: {answer:?}");
    }
    assert_eq!(agent.refused("bad_request"), 3);
    assert_eq!(agent.queue.begun(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_beyond_the_declared_length_is_the_next_request() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let body = body(1);
    let mut request = push_request("/api/v1/write", &body);
    request.extend_from_slice(b"trailing junk\r\n\r\n");
    assert_eq!(client.ask(&request).await.status, 204);
    assert_eq!(client.answer().await.status, 400);
    client.closed().await;
    assert_eq!(agent.queue.appended().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_ends_gets_408_and_the_connection_is_closed() {
    let agent = Agent::start(impatient()).await;
    let request = push_request("/api/v1/write", &body(100));
    for sent in [&request[..request.len() - 1], &request[..request.len() - body(100).len()]] {
        let mut client = agent.client().await;
        let began = Instant::now();
        let answer = client.ask(sent).await;
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(answer.closes());
        assert!(began.elapsed() >= Duration::from_millis(150));
        client.closed().await;
    }
    assert_eq!(agent.refused("timeout"), 2);
    assert_eq!(agent.queue.begun(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_has_no_more_time_than_one_that_stalls() {
    let agent = Agent::start(impatient()).await;
    let mut client = agent.client().await;
    client.send(&push_head("/api/v1/write", "Content-Length: 100000")).await;
    let trickle = async {
        loop {
            client.send(b"x").await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let refused = until("it is refused", || agent.refused("timeout") == 1);
    tokio::select! {
        () = trickle => unreachable!("it never ends"),
        () = refused => {}
    }
    assert_eq!(client.answer().await.status, 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_and_a_connection_that_says_nothing_are_closed() {
    let agent = Agent::start(impatient()).await;
    for sent in ["", "POST /api/v1/write HTTP/1.1\r\nHost: te"] {
        let mut client = agent.client().await;
        client.send(sent.as_bytes()).await;
        client.closed().await;
    }
    until("all are gone", || agent.metrics.connections.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let body = body(3);
    let expect = format!("Expect: 100-continue\r\nContent-Length: {}", body.len());
    assert_eq!(client.ask(&push_head("/api/v1/write", &expect)).await.status, 100);
    assert_eq!(client.ask(&body).await.status, 204);

    let refused = "Expect: 100-continue\r\nContent-Length: 2000000";
    let answer = client.ask(&push_head("/api/v1/write", refused)).await;
    assert_eq!(answer.status, 413, "told before it sends");
}
