//! A host whose network is not there yet, or goes for a while: the agent need not wait for its next attempt.

use crate::network::{self, REMARK, in_own_network};
use pmm_buffer::harness::wait::{DEADLINE, until, until_async};
use pmm_buffer::harness::{Client, HostLoad, Launch, Pusher, ReservedPort, SharedLedger, Upstream, pack};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const SERIES: u64 = 100;

#[test]
fn the_network_comes_and_the_upstream_is_asked_at_once() {
    in_own_network("wake::the_network_comes_and_the_upstream_is_asked_at_once", async || {
        network::add_loopback();
        let ledger = SharedLedger::default();
        let upstream = Upstream::start(&ledger).expect("loopback");
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(relay(listener, upstream.address()));

        let (folder, listen) =
            (tempfile::tempdir().expect("a folder"), ReservedPort::new().expect("loopback"));
        let (config, log) = (folder.path().join("pmm-buffer.yml"), folder.path().join("log"));
        let [a, b, c, d] = network::FAR;
        // Its waits are as long as they are for connections: 0.75 to 1.5 s.
        let text = format!(
            "listen: {}\ndata_dir: {}\nlog: {{level: debug}}\nremote_write:\n  - \
             {{url: 'http://{a}.{b}.{c}.{d}:{port}/victoriametrics/api/v1/write', \
             queue_config: {{min_backoff: 60s, max_backoff: 60s}}}}\n",
            listen.address(),
            folder.path().join("data").display()
        );
        fs::write(&config, text).expect("writable");
        let binary = Path::new(env!("CARGO_BIN_EXE_pmm-buffer"));
        let mut agent = Launch::config(binary, listen.address(), &config, &log).start().expect("it starts");
        agent.ready(DEADLINE).await.expect("ready");
        let push = HostLoad::new(1, 0, SERIES as usize).scrape(1_700_000_000_000);
        ledger.lock().pushed(&push);
        Pusher::new(agent.address()).push_until_answered(pack(&push)).await.expect("taken");
        ledger.lock().answered(&push);
        until("it cannot be reached", || agent.log().contains("attempt failed")).await;

        let attempts = agent.log().matches("attempt failed").count();
        until("an attempt has just failed", || agent.log().matches("attempt failed").count() > attempts)
            .await;
        let changed = Instant::now();
        network::add_far_address();
        until("it is delivered", || ledger.verdict().delivered == SERIES).await;
        let _ = writeln!(io::stderr(), "{REMARK}delivered {:.0?} after the network came", changed.elapsed());
        assert!(agent.log().contains("the network of this host changed, trying at once"), "{}", agent.log());
        until_async("nothing waits", async || {
            agent.status().await.expect("a status").upstreams[0].backlog_records == 0
        })
        .await;

        // With the upstream answering, nobody listens any more.
        let times = |text: &str| agent.log().matches(text).count();
        let woken = times("trying at once");
        network::remove_far_address();
        network::add_far_address();
        let answer = Client::new(agent.address()).get("/health").await.expect("answered");
        assert_eq!((answer.status, times("trying at once")), (200, woken));
    });
}

/// The harness's upstream listens on the loopback only.
async fn relay(listener: TcpListener, to: std::net::SocketAddr) {
    while let Ok((mut from, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut to = TcpStream::connect(to).await.expect("the upstream is open");
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        });
    }
}
