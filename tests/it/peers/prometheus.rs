//! Prometheus scrapes the agent's own metrics and pushes them through it, and directly to a second database.

use super::{Through, Victoria, WRITE, assert_equal_around, start_prometheus};

#[tokio::test]
async fn what_prometheus_scrapes_arrives_through_an_outage_as_it_does_directly() {
    let mut through = Through::start().await;
    let direct = Victoria::start().await;
    let folder = through.folder.path().to_owned();
    let target = through.agent.address();
    let entry = |url: &str| {
        format!("  - url: {url}\n    queue_config: {{batch_send_deadline: 200ms, max_shards: 1}}\n")
    };
    let text = format!(
        "scrape_configs:\n  - job_name: agent\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
         static_configs:\n      - targets: ['{target}']\nremote_write:\n{}{}",
        entry(&format!("http://{target}{WRITE}")),
        entry(&direct.url())
    );
    let mut prometheus = start_prometheus(&folder, &text, &[]).await;
    through.accepted(2).await;
    let outage = through.outage(8).await;
    through.accepted(2).await;
    prometheus.stop().await;
    through.drained().await;
    assert_equal_around(outage, &through.victoria, &direct).await;
}
