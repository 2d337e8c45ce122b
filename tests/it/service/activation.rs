//! A listening socket that is passed and stays open across restarts.

use crate::stage::{SERIES, Stage, logged, terminate};
use crate::start::ended;
use pmm_buffer::harness::Client;
use pmm_buffer::harness::wait::DEADLINE;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connects anew for each request, as curl does, until it is told to stop.
async fn knock(agent: SocketAddr, stop: watch::Receiver<bool>) -> Knocks {
    let mut knocks = Knocks::default();
    while !*stop.borrow() {
        match Client::new(agent).get("/health").await {
            Ok(answer) if answer.status == 200 => knocks.answered += 1,
            Ok(_) => knocks.broken += 1,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => knocks.refused += 1,
            // Accepted, and the agent ended before it read the request.
            Err(_) => knocks.broken += 1,
        }
    }
    knocks
}

#[derive(Debug, Default)]
struct Knocks {
    answered: u64,
    broken: u64,
    refused: u64,
}

#[tokio::test]
async fn restarts_under_load_refuse_no_connection_and_lose_nothing() {
    let mut stage = Stage::new();
    let address = stage.launch.address;
    stage.launch.passed = Some(Arc::new(TcpListener::bind(address).expect("the port is ours").into()));
    let mut agent = stage.start().await;
    let stop = watch::Sender::new(false);
    let mut knockers: JoinSet<Knocks> = (0..4).map(|_| knock(address, stop.subscribe())).collect();
    let flow = stage.flow(8, Duration::from_millis(5));
    for round in 0..6 {
        stage.answered(50 * SERIES).await;
        if round % 3 == 2 {
            agent.kill().expect("it runs");
        } else {
            terminate(&mut agent).await;
        }
        agent = stage.start().await;
    }
    stage.answered(50 * SERIES).await;
    stop.send_replace(true);
    let mut knocks = Knocks::default();
    while let Some(one) = knockers.join_next().await {
        let one = one.expect("it does not panic");
        knocks.answered += one.answered;
        knocks.broken += one.broken;
        knocks.refused += one.refused;
    }
    let verdict = stage.finish(&agent, flow).await;
    println!("{knocks:?} {verdict:?}");
    assert!(knocks.refused == 0 && knocks.answered > 100, "{knocks:?}");
    assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
}

#[tokio::test]
async fn the_passed_socket_beats_listen_and_the_log_says_so() {
    let mut stage = Stage::with_config("", "");
    let listener = TcpListener::bind(stage.launch.address).expect("the port is ours");
    stage.launch.passed = Some(Arc::new(listener.into()));
    stage.launch.args.extend(["--listen".into(), "127.0.0.1:1".into()]);
    let agent = stage.start().await;
    stage.feed().push(1).await;
    assert!(stage.drained(&agent).await.is_clean());
    logged(&agent, "passed a listening socket").await;
    logged(&agent, "`listen` is not used").await;
    assert!(agent.log().contains("not_used=127.0.0.1:1"), "{}", agent.log());
}

#[tokio::test]
async fn what_is_no_single_listening_socket_is_refused() {
    let tcp = || -> OwnedFd { TcpListener::bind("127.0.0.1:0").expect("loopback").into() };
    let udp: OwnedFd = UdpSocket::bind("127.0.0.1:0").expect("loopback").into();
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    for (passed, count, said) in [
        (tcp(), "2", "passed 2 sockets"),
        (udp, "1", "ListenStream="),
        (bound.into(), "1", "does not listen"),
    ] {
        let mut stage = Stage::new();
        stage.launch.passed = Some(Arc::new(passed));
        stage.launch.env.push(("LISTEN_FDS".into(), count.into()));
        let mut agent = stage.launch.start().expect("the program starts");
        assert_eq!(ended(&mut agent).await.code(), Some(1), "{}", agent.log());
        assert!(agent.log().contains(said), "{said:?} is not in: {}", agent.log());
    }
}

#[tokio::test]
async fn sockets_that_were_meant_for_a_parent_are_left_alone() {
    let mut stage = Stage::new();
    stage.launch.env.extend([("LISTEN_FDS".into(), "1".into()), ("LISTEN_PID".into(), "1".into())]);
    let mut agent = stage.launch.start().expect("the program starts");
    agent.ready(DEADLINE).await.expect("ready");
    assert!(!agent.log().contains("passed"), "{}", agent.log());
}
