//! Budgets: memory, connections, and new limits while the server runs.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_waits_for_memory_and_goes_on_when_there_is_some() {
    // Half of it, 1 MiB, is for bodies: the first takes nearly all.
    let agent = Agent::start(config::Server { max_in_flight_bytes: 2 << 20, ..limits() }).await;
    let mut hog = agent.client().await;
    hog.send(&push_head("/api/v1/write", "Content-Length: 1040000")).await;
    until("the hog has its memory", || agent.metrics.in_flight_bytes.get() == 1_040_000).await;
    let mut client = agent.client().await;
    client.send(&push_request("/api/v1/write", &body(2000))).await;
    let early = tokio::time::timeout(Duration::from_millis(50), client.answer()).await;
    assert!(early.is_err(), "there was no memory: {early:?}");
    drop(hog);
    assert_eq!(client.answer().await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_gets_no_memory_in_time_gets_503_and_may_come_again() {
    let agent = Agent::start(config::Server {
        max_in_flight_bytes: 2 << 20,
        read_timeout: Duration::from_millis(400),
        ..limits()
    })
    .await;
    // Pushes in the queue hold the other half of the budget.
    agent.queue.hold();
    let large = body(40_000);
    let mut first = agent.client().await;
    first.send(&push_request("/api/v1/write", &large)).await;
    until("the first is being appended", || agent.queue.begun() == 1).await;
    let mut second = agent.client().await;
    let answer = second.ask(&push_request("/api/v1/write", &large)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert_eq!(agent.refused("busy"), 1);
    agent.queue.release();
    assert_eq!(first.answer().await.status, 204);
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &large)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(agent.queue.appended().len(), 2);
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_beyond_the_limit_waits_for_another_to_be_answered_then_gets_503() {
    let patience = Duration::from_millis(200);
    let agent = Agent::start(config::Server { max_bodies: 1, read_timeout: patience, ..limits() }).await;
    agent.queue.hold();
    let mut first = agent.client().await;
    first.send(&push_request("/api/v1/write", &body(1))).await;
    until("the first is being stored", || agent.queue.begun() == 1).await;
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &body(1))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.body.contains("(server.max_bodies)") && answer.closes(), "{answer:?}");
    assert_eq!(agent.refused("max_bodies"), 1);
    let mut third = agent.client().await;
    third.send(&push_request("/api/v1/write", &body(1))).await;
    until("the third has arrived", || agent.begun() >= 3).await;
    agent.queue.release();
    assert_eq!((first.answer().await.status, third.answer().await.status), (204, 204));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_that_want_more_than_there_is_do_not_block_each_other_for_ever() {
    let agent = Agent::start(config::Server {
        max_in_flight_bytes: 2 << 20,
        read_timeout: Duration::from_millis(300),
        ..limits()
    })
    .await;
    let mut request = push_head("/api/v1/write", "Transfer-Encoding: chunked");
    request.extend(chunked(&vec![0u8; 900_000], 30_000));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = agent.client().await;
        client.send(&request).await;
        clients.push(client);
    }
    for mut client in clients {
        let answer = client.answer().await;
        assert!(matches!(answer.status, 400 | 503), "read or turned away, and answered: {answer:?}");
    }
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_the_budget_is_taken_alone() {
    let agent = Agent::start(config::Server { max_in_flight_bytes: 4096, ..limits() }).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = agent.client().await;
        client.send(&push_request("/api/v1/write", &body(10_000))).await;
        clients.push(client);
    }
    for mut client in clients {
        assert_eq!(client.answer().await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let agent = Agent::start(config::Server { max_connections: 2, ..limits() }).await;
    let mut first = agent.client().await;
    let mut second = agent.client().await;
    assert_eq!(first.get("/health").await.status, 200);
    assert_eq!(second.get("/health").await.status, 200);
    let mut third = agent.client().await;
    third.send(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(50), third.answer()).await;
    assert!(early.is_err(), "served beyond the limit: {early:?}");
    assert_eq!(agent.metrics.connections.get(), 2);
    drop(first);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_its_answers_is_cut() {
    let patience = Duration::from_millis(150);
    let agent = Agent::start(config::Server { read_timeout: patience, ..limits() }).await;
    let mut client = agent.client().await;
    let asking = async {
        loop {
            client.send(&b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n".repeat(100)).await;
        }
    };
    until("it is connected", || agent.metrics.connections.get() == 1).await;
    let cut = until("it is cut", || agent.metrics.connections.get() == 0);
    tokio::select! {
        () = asking => unreachable!("it never ends"),
        () = cut => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_limits_are_in_force_for_what_comes_next() {
    let agent = Agent::start(config::Server { max_connections: 1, ..limits() }).await;
    let mut first = agent.client().await;
    let large = body(2_000);
    assert_eq!(first.ask(&push_request("/api/v1/write", &large)).await.status, 204);
    let mut second = agent.client().await;
    second.send(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n").await;

    agent.state.set_limits(config::Server { max_body_bytes: 1000, ..limits() }, config::Import::default());
    assert_eq!(second.answer().await.status, 200, "there is room for it now");
    assert_eq!(first.ask(&push_request("/api/v1/write", &large)).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pushers_at_once_are_all_answered_and_all_kept() {
    let agent = Agent::start(limits()).await;
    let mut pushers = tokio::task::JoinSet::new();
    for pusher in 0..40usize {
        let address = agent.address;
        pushers.spawn(async move {
            let mut client = Client::connect(address).await;
            for push in 0..10 {
                let answer = client.ask(&push_request("/api/v1/write", &body(pusher * 10 + push + 1))).await;
                assert_eq!(answer.status, 204);
            }
        });
    }
    while let Some(ended) = pushers.join_next().await {
        ended.expect("no pusher failed");
    }
    let mut samples: Vec<u32> =
        agent.queue.appended().iter().map(|(push, _)| push.counts().samples).collect();
    samples.sort_unstable();
    assert_eq!(samples, (1..=400).collect::<Vec<u32>>());
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}
