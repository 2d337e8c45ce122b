//! vmagent scrapes the agent's own metrics and pushes them through it, and directly to a second database.

use super::{Peer, Through, Victoria, WRITE, assert_equal_around};
use std::fs;

#[tokio::test]
async fn what_vmagent_scrapes_arrives_through_an_outage_as_it_does_directly() {
    let mut through = Through::start().await;
    let direct = Victoria::start().await;
    let folder = through.folder.path().to_owned();
    let config = folder.join("scrape.yml");
    let target = through.agent.address();
    let scrape = format!(
        "scrape_configs:\n  - job_name: agent\n    scrape_interval: 200ms\n    static_configs:\n      - targets: ['{target}']\n"
    );
    fs::write(&config, scrape).expect("writable");
    let mut vmagent = Peer::start("vmagent", &folder, "/health", |address| {
        vec![
            format!("-httpListenAddr={address}"),
            format!("-promscrape.config={}", config.display()),
            format!("-remoteWrite.url=http://{target}{WRITE}"),
            format!("-remoteWrite.url={}", direct.url()),
            format!("-remoteWrite.tmpDataPath={}", folder.join("vmagent").display()),
            "-remoteWrite.flushInterval=200ms".to_owned(),
            // With more than one it sends out of order.
            "-remoteWrite.queues=1".to_owned(),
        ]
    })
    .await;
    through.accepted(2).await;
    let outage = through.outage(4).await;
    through.accepted(2).await;
    vmagent.stop().await;
    through.drained().await;
    assert_equal_around(outage, &through.victoria, &direct).await;
}
