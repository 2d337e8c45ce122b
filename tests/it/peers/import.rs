//! VictoriaMetrics' JSON lines, with the values that JSON has no numbers for.

use super::{Samples, Through, assert_sent_as_directly, difference, now_ms};
use crate::stage::{FIRST_MS, Stage};
use pmm_buffer::harness::{Client, SharedLedger};
use pmm_buffer::model::{Push, PushBuilder, Sample, Span};
use pmm_buffer::wire;
use std::net::SocketAddr;

/// Numbers as they are written. Each gets a series of its own: the database stores those of one series with one
/// exponent, and so loses the small ones beside the large.
const NUMBERS: [&str; 14] = [
    "0",
    "-0.0",
    "1",
    "-1.5",
    "0.1",
    "1e-7",
    "123456.789",
    "9007199254740993",
    "1.7976931348623157e308",
    "-1e100",
    "5e-324",
    "0.30000000000000004",
    "-123456789012",
    "3.141592653589793",
];

/// What stands for a number that JSON has not, and which.
const WORDS: [(&str, f64); 4] = [
    ("\"Infinity\"", f64::INFINITY),
    ("\"-Infinity\"", f64::NEG_INFINITY),
    ("null", f64::NAN),
    ("\"NaN\"", f64::NAN),
];

const MATCHER: &str = r#"job="import""#;

/// A line of a series with one sample. Its name is in need of escapes, and not ASCII.
fn line(series: &str, value: &str, timestamp: i64) -> String {
    let metric = format!(r#""__name__":"imported","job":"import","series":"{series} \"\u00e9\" 日本""#);
    format!("{{\"metric\":{{{metric}}},\"values\":[{value}],\"timestamps\":[{timestamp}]}}\n")
}

/// The same as it is to arrive.
fn expected(series: &str, value: f64, timestamp: i64) -> Push {
    let mut push = PushBuilder::default();
    let series = format!("{series} \"é\" 日本");
    let labels = push.store_with(|section| {
        for (name, value) in [("__name__", "imported"), ("job", "import"), ("series", &series)] {
            wire::append_label(section, name.as_bytes(), value.as_bytes());
        }
    });
    push.sample(Sample { value, timestamp });
    push.series(labels, Span::default());
    push.finish()
}

/// Bodies of a line for each number, a second apart.
fn bodies(first_ms: i64) -> Vec<String> {
    let body = |at: i64| NUMBERS.map(|number| line(number, number, first_ms + at * 1_000)).concat();
    (0..5).map(body).collect()
}

async fn post(address: SocketAddr, path: &str, bodies: &[String]) {
    let mut client = Client::new(address);
    for body in bodies {
        let answer = client.post(path, &[], body.clone().into()).await.expect("answered");
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

#[tokio::test]
async fn every_number_and_word_is_sent_on_to_the_bit() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let numbers = NUMBERS.map(|number| (number, number.parse().expect("a number")));
    for (at, (text, value)) in numbers.into_iter().chain(WORDS).enumerate() {
        let timestamp = FIRST_MS + at as i64;
        // The word's own quotes would have to be escaped in a name.
        let series = at.to_string();
        note(&stage.ledger, &expected(&series, value, timestamp));
        post(agent.address(), "/api/v1/import", &[line(&series, text, timestamp)]).await;
    }
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!(verdict.delivered as usize, NUMBERS.len() + WORDS.len());
}

fn note(ledger: &SharedLedger, push: &Push) {
    let mut ledger = ledger.lock();
    ledger.pushed(push);
    ledger.answered(push);
}

#[tokio::test]
async fn numbers_arrive_through_an_outage_as_they_do_directly() {
    let send = async |address: SocketAddr, prefix: &str, bodies: &[String]| {
        post(address, &format!("{prefix}/api/v1/import"), bodies).await;
    };
    let bodies = bodies(now_ms() - 3_600_000);
    assert_sent_as_directly(&bodies, (2, ""), send, (MATCHER, 5 * NUMBERS.len())).await;
}

/// Debian's VictoriaMetrics (1.79) skips a line with a word in it, so nothing can be imported directly to compare
/// with. It stores infinities, and no NaN but the stale marker.
#[tokio::test]
async fn infinities_are_stored_and_no_nan_becomes_a_number() {
    let through = Through::start().await;
    let now = now_ms();
    let mut wanted = Samples::new();
    for (at, (word, value)) in WORDS.into_iter().enumerate() {
        let series = at.to_string();
        post(through.agent.address(), "/api/v1/import", &[line(&series, word, now)]).await;
        if !value.is_nan() {
            wanted.append(&mut super::samples(&expected(&series, value, now)));
        }
    }
    post(through.agent.address(), "/api/v1/import", &[line("last", "1", now)]).await;
    wanted.append(&mut super::samples(&expected("last", 1.0, now)));
    through.drained().await;
    let stored = through.victoria.shown(MATCHER, wanted.len()).await;
    assert!(stored == wanted, "{}", difference(&stored, &wanted));
}

#[tokio::test]
async fn a_bad_line_refuses_the_whole_request_and_nothing_of_it_arrives() {
    let through = Through::start().await;
    let now = now_ms();
    let mut client = Client::new(through.agent.address());
    let body = format!("{}{{\"metric\":\n{}", line("before", "1", now), line("after", "1", now));
    let answer = client.post("/api/v1/import", &[], body.into()).await.expect("answered");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("line 2"), "{}", answer.text());
    post(through.agent.address(), "/api/v1/import", &[line("whole", "1", now)]).await;
    through.drained().await;
    let stored = through.victoria.shown(MATCHER, 1).await;
    let wanted = super::samples(&expected("whole", 1.0, now));
    assert!(stored == wanted, "{}", difference(&stored, &wanted));
}
