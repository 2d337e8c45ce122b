//! Text of Prometheus and of OpenMetrics: what the agent makes of it is what a database makes of it directly.

use super::{Samples, Through, assert_sent_as_directly, difference, now_ms};
use crate::stage::{FIRST_MS, Stage};
use pmm_buffer::harness::{Answer, Client};
use std::net::SocketAddr;

const PATH: &str = "/api/v1/import/prometheus";

/// Every series here has a name that begins so.
const MATCHER: &str = r#"__name__=~"text_.*""#;

/// Lines as exporters and scripts write them, `T` for a time in milliseconds and `S` for one in seconds.
const LINES: [&str; 24] = [
    r#"text_plain 1 T"#,
    r#"text_empty{} 2 T"#,
    r#"text_labels{b="2",a="1"} 1.5 T"#,
    r#"text_trailing_comma{a="1",} 1e-7 T"#,
    "  text_blanks \t{ a = \"1\" , b=\"2\" }   123456.789   T  ",
    "text_carriage_return{a=\"1\"} 3 T\r",
    r#"text_close{a="1"}4 T"#,
    r#"text_escapes{a="\\ \" \n \t \q",b="} 1 2 # ,="} 5 T"#,
    r#"text_utf8{a="é 日本"} 6 T"#,
    r#"text_é.dots-and:more{a="1"} 7 T"#,
    r#"text_no_value{a="",b="1"} 8 T"#,
    r#"text_infinity{sign="+"} +Inf T"#,
    r#"text_infinity{sign="-"} -Inf T"#,
    r#"text_infinity{sign="none"} Inf T"#,
    r#"text_large 1.7976931348623157e308 T"#,
    r#"text_small 5e-324 T"#,
    r#"text_third 0.30000000000000004 T"#,
    r#"text_seconds 9 S"#,
    r#"text_seconds_with_fraction 10 S.5"#,
    r#"text_milliseconds_with_fraction 11 T.7"#,
    r#"text_exemplar_bucket{le="+Inf"} 12 T # {trace_id="a b"} 0.5 S"#,
    r#"text_exemplar_without_time{a="1"} 13 S.25 # {} 1"#,
    r#"text_zero 0 T"#,
    r#"text_minus_zero -0 T"#,
];

/// A body of all lines, with what carries no sample in between.
fn body(ms: i64) -> String {
    let times = |line: &str| line.replace(" T", &format!(" {ms}")).replace(" S", &format!(" {}", ms / 1000));
    let lines = LINES.map(|line| format!("# HELP text_x A {{help}} text.\n\n{}\n", times(line)));
    format!("# TYPE text_x gauge\n# UNIT text_x seconds\n{}# EOF", lines.concat())
}

/// Requests to import: the path's end with arguments, a content type and a body.
fn requests(first_ms: i64) -> Vec<(String, &'static str, String)> {
    let (text, open_metrics) = ("text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0");
    let labels = |query: &str| format!("?{query}&extra_label=from=%C3%A9+a%2Bb%3Dc");
    let own = r#"text_extra{from="own",a="1"} 1"#;
    let at = |second: i64| first_ms + second * 1_000;
    vec![
        (String::new(), text, body(at(0))),
        (String::new(), open_metrics, body(at(1))),
        (labels("x=y"), text, body(at(2))),
        (labels("extra_label=a=&extra_label=z=1&extra_label=z=2"), text, format!("{own} {}", at(3))),
        (labels("extra_label=__name__=text_renamed"), text, format!("{own} {}\n", at(4))),
        (format!("?timestamp={}&timestamp=7", at(5)), text, format!("{own}\n")),
        (format!("?timestamp={}", at(6)), open_metrics, format!("{own}\ntext_own_time 1 {}\n# EOF\n", at(7))),
        (labels("extra_label=from=&timestamp="), open_metrics, format!("{own} {}\n# EOF\n", at(8) / 1000)),
    ]
}

pub(super) async fn send(address: SocketAddr, prefix: &str, requests: &[(String, &str, String)]) {
    let mut client = Client::new(address);
    for (end, content_type, body) in requests {
        let path = format!("{prefix}{PATH}{end}");
        let answer = client.post(&path, &[("Content-Type", content_type)], body.clone().into()).await;
        let answer = answer.expect("answered");
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn text_arrives_through_an_outage_as_it_does_directly() {
    // A whole second, so that no fraction of one is lost where a time is in seconds.
    let requests = requests((now_ms() - 3_600_000) / 1_000 * 1_000);
    assert_sent_as_directly(&requests, (2, "/prometheus"), send, (MATCHER, 3 * LINES.len() + 6)).await;
}

#[tokio::test]
async fn a_sample_without_a_time_keeps_the_moment_it_arrived_through_an_outage() {
    let mut through = Through::start().await;
    through.relay.close().await;
    let begun = now_ms();
    let one = |body: &str| [(String::new(), "text/plain", body.to_owned())];
    send(through.agent.address(), "", &one("text_moment{at=\"none\"} 1\ntext_moment{at=\"zero\"} 1 0\n"))
        .await;
    let ended = now_ms();
    // The agent is even started again before the database comes back.
    through.agent.terminate(pmm_buffer::harness::wait::DEADLINE).await.expect("it ends");
    through.start_agent_again().await;
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let stored = through.victoria.shown(MATCHER, 2).await;
    let times: Vec<i64> = stored.values().flatten().map(|(timestamp, _)| *timestamp).collect();
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|time| (begun..=ended).contains(time)), "{times:?} in {begun}..={ended}");
}

/// Debian's VictoriaMetrics (1.79) has neither this path nor quoted names, so that nothing can be sent to it directly.
#[tokio::test]
async fn a_path_of_the_pushgateway_gives_its_labels_and_names_may_be_quoted() {
    let through = Through::start().await;
    let now = now_ms();
    let text = format!("text_grouped{{job=\"own\"}} 1 {now}\n{{\"text_ quoted\",\"a b\"=\"c\"}} 1 {now}\n");
    let path = format!("{PATH}/metrics/job@base64/bXkvam9i/instance/a%20b");
    let answer = Client::new(through.agent.address()).post(&path, &[], text.into()).await.expect("answered");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    through.drained().await;
    let stored = through.victoria.shown(MATCHER, 2).await;
    let section = |labels: &[(&str, &str)]| {
        let mut out = Vec::new();
        labels.iter().for_each(|(name, value)| {
            pmm_buffer::wire::append_label(&mut out, name.as_bytes(), value.as_bytes());
        });
        out
    };
    let group = ("instance", "a b");
    let one: std::collections::BTreeSet<_> = [(now, 1f64.to_bits())].into();
    let wanted: Samples = [
        (section(&[("__name__", "text_grouped"), group, ("job", "my/job")]), one.clone()),
        (section(&[("__name__", "text_ quoted"), ("a b", "c"), group, ("job", "my/job")]), one),
    ]
    .into();
    assert!(stored == wanted, "{}", difference(&stored, &wanted));
}

async fn refused(client: &mut Client, body: &str) -> Answer {
    client.post(PATH, &[], body.to_owned().into()).await.expect("answered")
}

#[tokio::test]
async fn a_bad_line_of_text_refuses_the_whole_request_and_nothing_of_it_arrives() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let mut client = Client::new(agent.address());
    for bad in ["text_bad", "text_bad{a=\"1\" 1", "text_bad{a=\"1\",a=\"2\"} 1", "text_bad 1 2 3"] {
        let answer = refused(&mut client, &format!("text_good 1 {FIRST_MS}\n{bad}\n")).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.text().starts_with("line 2: "), "{}", answer.text());
    }
    let verdict = stage.drained(&agent).await;
    assert_eq!(verdict.delivered, 0);
}
