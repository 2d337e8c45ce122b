//! What the service manager hears: ready, reloading, stopping, the backlog in words.

use super::manager::Manager;
use crate::stage::{SERIES, Stage, logged, page, terminate};
use std::time::Duration;

#[tokio::test]
async fn ready_is_said_once_it_listens_over_a_path_or_an_abstract_name() {
    for listen in [Manager::on, Manager::on_abstract_name] {
        let mut stage = Stage::new();
        let mut manager = listen(&mut stage);
        let agent = stage.launch.start().expect("the program starts");
        assert_eq!(manager.hears("READY").await, "READY=1");
        // At once, without a second try.
        assert_eq!(page(&agent, "/ready").await.trim(), "OK");
        manager.hears("STATUS=nothing sent yet, nothing waits").await;
    }
}

#[tokio::test]
async fn the_status_tells_of_an_outage_and_of_its_end() {
    let mut stage = Stage::new();
    let mut manager = Manager::on(&mut stage);
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    manager.hears("STATUS=delivering, nothing waits").await;
    stage.upstream.close().await;
    feed.push(3).await;
    let status = manager.hears("STATUS=upstream away for ").await;
    assert!(status.contains(&format!(", {} samples (", 3 * SERIES)), "{status}");
    assert!(status.ends_with(" wait"), "{status}");
    // It is kept current.
    assert_ne!(manager.hears("STATUS=upstream away for ").await, status);
    stage.upstream.open().expect("the port is ours");
    manager.hears("STATUS=delivering, nothing waits").await;
    assert!(stage.drained(&agent).await.is_clean());
}

#[tokio::test]
async fn a_reload_begins_and_ends_also_where_the_file_is_wrong() {
    let mut stage = Stage::with_config("", "");
    let mut manager = Manager::on(&mut stage);
    let mut agent = stage.start().await;
    manager.hears("READY=1").await;
    for (rest, outcome) in [("log: {level: debug}", "configuration reloaded"), ("lisen: x", "not reloaded")] {
        stage.write_config(&stage.upstream.url(), "", rest);
        let before = monotonic();
        agent.reload().expect("it runs");
        manager.hears("RELOADING=1").await;
        let stamp = manager.hears("MONOTONIC_USEC=").await;
        let stamp: u64 = stamp.split_once('=').expect("a value").1.parse().expect("a number");
        let stamp = Duration::from_micros(stamp);
        assert!(before <= stamp && stamp <= monotonic(), "{before:?} {stamp:?}");
        manager.hears("READY=1").await;
        logged(&agent, outcome).await;
    }
}

#[tokio::test]
async fn stopping_is_said_before_it_ends() {
    let mut stage = Stage::new();
    let mut manager = Manager::on(&mut stage);
    let mut agent = stage.start().await;
    manager.hears("READY=1").await;
    terminate(&mut agent).await;
    manager.hears("STOPPING=1").await;
    assert!(manager.heard().iter().all(|line| line.starts_with("STATUS=stopping")), "{:?}", manager.heard());
}

#[tokio::test]
async fn a_service_manager_that_is_not_there_keeps_nobody_from_work() {
    for (name, warning) in
        [("/nowhere/notify", "trying again"), ("vsock:2:1234", "neither an absolute path nor @")]
    {
        let mut stage = Stage::new();
        stage.launch.env.push(("NOTIFY_SOCKET".into(), name.into()));
        let mut agent = stage.start().await;
        stage.feed().push(1).await;
        assert!(stage.drained(&agent).await.is_clean());
        logged(&agent, warning).await;
        terminate(&mut agent).await;
    }
}

/// The clock of `MONOTONIC_USEC`, to the microsecond.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::from_micros(now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000)
}
