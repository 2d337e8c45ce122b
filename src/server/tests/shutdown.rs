//! The end: what is in flight is finished, nothing new is begun.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_in_flight_is_finished_and_answered() {
    let mut agent = Agent::start(limits()).await;
    agent.queue.hold();
    let mut client = agent.client().await;
    client.send(&push_request("/api/v1/write", &body(7))).await;
    until("the append begins", || agent.queue.begun() == 1).await;
    agent.stop();
    until("the drain begins", || agent.state.is_draining()).await;
    agent.queue.release();
    let answer = client.answer().await;
    assert_eq!(answer.status, 204);
    assert!(answer.closes(), "{answer:?}");
    client.closed().await;
    let queue = agent.queue.clone();
    assert_eq!(agent.ended().await, Drained { cut: 0 });
    assert_eq!(queue.appended().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_arriving_may_finish() {
    let mut agent = Agent::start(limits()).await;
    let request = push_request("/api/v1/write", &body(50));
    let mut client = agent.client().await;
    client.send(&request[..request.len() - 3]).await;
    until("its body is awaited", || agent.metrics.in_flight_bytes.get() > 0).await;
    agent.stop();
    until("the drain begins", || agent.state.is_draining()).await;
    client.send(&request[request.len() - 3..]).await;
    assert_eq!(client.answer().await.status, 204);
    assert_eq!(agent.ended().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_and_new_ones_refused() {
    let mut agent = Agent::start(limits()).await;
    let mut idle = agent.client().await;
    assert_eq!(idle.get("/health").await.status, 200);
    let address = agent.address;
    agent.stop();
    idle.closed().await;
    assert_eq!(agent.ended().await, Drained { cut: 0 });
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_waits_for_memory_is_turned_away_at_once() {
    let mut agent = Agent::start(config::Server { max_in_flight_bytes: 2 << 20, ..limits() }).await;
    let mut hog = agent.client().await;
    hog.send(&push_head("/api/v1/write", "Content-Length: 1040000")).await;
    until("the hog has its memory", || agent.metrics.in_flight_bytes.get() == 1_040_000).await;
    let mut client = agent.client().await;
    let request = push_request("/api/v1/write", &body(2000));
    client.send(&request[..request.len() - 1]).await;
    until("both have begun", || agent.begun() == 2).await;
    agent.stop();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{answer:?}");
    drop((hog, client));
    assert_eq!(agent.ended().await, Drained { cut: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_the_grace_time_is_cut() {
    let mut agent = Agent::with_grace(limits(), Duration::from_millis(100)).await;
    let mut stuck = agent.client().await;
    stuck.send(&push_head("/api/v1/write", "Content-Length: 1000")).await;
    until("its body is awaited", || agent.metrics.in_flight_bytes.get() > 0).await;
    agent.stop();
    stuck.closed().await;
    assert_eq!(agent.ended().await, Drained { cut: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_server_is_not_ready() {
    let mut agent = Agent::start(limits()).await;
    assert_eq!(agent.state.unavailable(), None);
    agent.stop();
    until("the drain begins", || agent.state.is_draining()).await;
    assert_eq!(agent.state.unavailable().as_deref(), Some("shutting down"));
    assert_eq!(agent.state.status().unavailable.as_deref(), Some("shutting down"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_begins_after_the_drain_is_turned_away() {
    // The drain begins the moment a push asks for the time.
    let hook = Arc::<std::sync::OnceLock<Arc<State<Arc<FakeQueue>>>>>::default();
    let hooked = hook.clone();
    let clock: Clock = Arc::new(move || {
        hooked.get().expect("set below").draining.send_replace(true);
        NOW_MS
    });
    let agent = Agent::with_clock(limits(), DEADLINE, clock).await;
    hook.set(agent.state.clone()).map_err(drop).expect("set once");
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &body(1))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{answer:?}");
    assert_eq!(agent.queue.begun(), 0);
    assert_eq!(agent.refused("shutdown"), 1);
}
