//! `import.bad_lines: skip`: what is left of a body with bad lines is what a database leaves of it.

use super::{Through, Victoria, difference, now_ms};
use pmm_buffer::harness::Client;
use pmm_buffer::harness::wait::until_async;
use std::net::SocketAddr;

/// Every series here has a name that begins so.
const MATCHER: &str = r#"__name__=~"skip_.*""#;

/// Each route with a body, the number of its samples that are good, and of its lines that are bad.
fn requests(ms: i64) -> [(&'static str, String, usize, usize); 3] {
    let text = format!(
        "skip_text{{a=\"1\"}} 1 {ms}\nskip_text{{a=\"2\" 1 {ms}\nskip_text\nskip_text x\n# HELP skip_text {{\n\nskip_text{{a=\"3\"}} 3 {ms}"
    );
    let json = |labels: &str, values: &str| {
        format!(
            "{{\"metric\":{{\"__name__\":\"skip_json\"{labels}}},\"values\":[{values}],\"timestamps\":[{ms}]}}\n"
        )
    };
    let lines = json(",\"a\":\"1\"", "1")
        + &json(",\"a\":\"2\"", "1,2")
        + "{\n"
        + &json(",\"a\":\"3\"", "x")
        + &json(",\"a\":\"4\"", "4");
    let csv = format!("a,1,2,{ms}\nb,1,x,{ms}\nc,1\nd,3,4,{ms}\ne,1,2,soon\n");
    [
        ("/api/v1/import/prometheus", text, 2, 3),
        ("/api/v1/import", lines, 2, 3),
        (
            "/api/v1/import/csv?format=1:label:a,2:metric:skip_csv_ask,3:metric:skip_csv_bid,4:time:unix_ms",
            csv,
            4,
            3,
        ),
    ]
}

async fn send(address: SocketAddr, prefix: &str, requests: &[(&str, String, usize, usize)]) {
    let mut client = Client::new(address);
    for (path, body, ..) in requests {
        let answer =
            client.post(&format!("{prefix}{path}"), &[], body.clone().into()).await.expect("answered");
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn bodies_with_bad_lines_arrive_through_an_outage_as_they_do_directly() {
    let requests = requests(now_ms() - 3_600_000);
    let mut through = Through::configured("import: {bad_lines: skip}").await;
    let direct = Victoria::start().await;
    through.relay.close().await;
    send(through.agent.address(), "", &requests).await;
    through.relay.open().expect("the port is ours");
    through.drained().await;
    send(direct.peer.address(), "/victoriametrics", &requests).await;
    let all = requests.iter().map(|(_, _, good, _)| good).sum();
    let (sent, stored) = (through.victoria.shown(MATCHER, all).await, direct.shown(MATCHER, all).await);
    assert!(sent == stored, "{}", difference(&sent, &stored));
    let page = Client::new(through.agent.address()).get("/metrics").await.expect("answered").text();
    for (path, _, _, bad) in &requests {
        let route = path.split('?').next().expect("a path");
        let line = format!("pmm_buffer_lines_skipped_total{{route=\"{route}\"}} {bad}\n");
        assert!(page.contains(&line), "{line}: {page}");
    }
    until_async("it is logged", async || through.agent.log().contains("first=line 2: ")).await;
}
