//! CSV: what the agent makes of it is what a database makes of it directly.

use super::{assert_sent_as_directly, now_ms};
use pmm_buffer::harness::Client;
use std::net::SocketAddr;

const PATH: &str = "/api/v1/import/csv";

/// Every metric here has a name that begins so.
const MATCHER: &str = r#"__name__=~"csv_.*""#;

/// Requests to import, as query and body, and the number of their samples.
fn requests(first_ms: i64) -> (Vec<(String, String)>, usize) {
    let (s, ms) = (first_ms / 1_000, first_ms);
    let columns = "format=1:label:kind,2:metric:csv_ask,3:metric:csv_bid";
    let requests = vec![
        (format!("{columns},4:time:unix_s"), format!("plain,1.5,-2,{s}\nsecond,1e-7,+Inf,{s}")),
        (
            format!("{columns},4:time:unix_ms"),
            format!("kind,ask,bid,time\r\nheader,1,2,{ms}\r\n\r\nblank,3,4,{ms}\r\n"),
        ),
        (
            format!("{columns},4:time:unix_ns"),
            format!("nanoseconds,1,2,{ms}999999\nmore columns,1,2,{ms}000000,x,,\n"),
        ),
        (
            format!("{columns},4:time:unix_s"),
            format!("\"quo,ted \"\"a\"\"\",1,2,{s}\nin\"side\",1,2,{s}\n  blanks ,1,2,{s}\n"),
        ),
        (
            format!("{columns},4:time:unix_s&extra_label=kind=extra&extra_label=more=%C3%A9"),
            format!("own,1,2,{s}\n"),
        ),
        (
            format!("{columns},5:time:rfc3339"),
            "rfc3339,1,2,junk,2020-09-13T14:26:40.25+02:00\nZ,1,2,,2020-09-13T14:26:40Z\n".to_owned(),
        ),
        (
            "format=2:metric:csv_ask,1:time:custom:Mon%20Jan%20_2%202006%2003:04:05.000%20PM%20-0700"
                .to_owned(),
            "Sun Sep 13 2020 02:26:40.125 PM +0200,7\nMon Sep  7 2020 12:26:40.125 AM -0130,8\n".to_owned(),
        ),
        (
            "format=1:metric:csv_ask,2:label:kind,3:time:custom:2006-01-02%2015:04:05".to_owned(),
            "9,custom,2020-09-13 12:26:40.5\n".to_owned(),
        ),
    ];
    (requests, 4 + 4 + 4 + 6 + 2 + 4 + 2 + 1)
}

async fn send(address: SocketAddr, prefix: &str, requests: &[(String, String)]) {
    let mut client = Client::new(address);
    for (query, body) in requests {
        let path = format!("{prefix}{PATH}?{query}");
        let answer = client.post(&path, &[], body.clone().into()).await.expect("answered");
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn csv_arrives_through_an_outage_as_it_does_directly() {
    let (requests, all) = requests((now_ms() - 3_600_000) / 1_000 * 1_000);
    assert_sent_as_directly(&requests, (3, "/victoriametrics"), send, (MATCHER, all)).await;
}
