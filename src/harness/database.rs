//! Reads back what a VictoriaMetrics database holds, to hand it to the ledger or to compare it with another.

use super::{Client, SharedLedger};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// VictoriaMetrics shows what it has taken after a second or so.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Where the samples that were written to an upstream can be read.
#[derive(Debug)]
pub struct Database {
    address: SocketAddr,
    /// None where the write path is not one of VictoriaMetrics.
    path: Option<String>,
    /// Exports so far.
    asked: AtomicU64,
}

impl Database {
    /// The database behind the write path `write`.
    pub fn new(address: SocketAddr, write: &str) -> Self {
        let path = write.strip_suffix("/api/v1/write").map(|prefix| format!("{prefix}/api/v1/export"));
        Self { address, path, asked: AtomicU64::default() }
    }

    /// All samples of the series with labels as `matcher` (as `job="node"`) has it; none where the server
    /// exports nothing. An error where it does not answer.
    pub async fn export(&self, matcher: &str) -> io::Result<Option<Push>> {
        let Some(path) = &self.path else { return Ok(None) };
        let query = format!("{path}?match%5B%5D={}", percent_encoded(&self.selector(matcher)));
        let answer = Client::new(self.address).get(&query).await?;
        if answer.status != 200 {
            return Ok(None);
        }
        Ok(parse(&answer.body).ok())
    }

    /// The same as VictoriaMetrics' blocks, from the first to the last time. An error where there is no such export.
    pub async fn export_native(&self, matcher: &str, (first_ms, last_ms): (i64, i64)) -> io::Result<Bytes> {
        let no_export = || io::Error::other("the server has no export of blocks");
        let path = self.path.as_ref().ok_or_else(no_export)?;
        let selector = percent_encoded(&self.selector(matcher));
        // The database takes seconds.
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
        let range = format!("start={}&end={}", seconds(first_ms), seconds(last_ms));
        let answer =
            Client::new(self.address).get(&format!("{path}/native?match%5B%5D={selector}&{range}")).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(no_export()) }
    }

    /// Notes all samples of the hosts with these `node_id`s as arrived. Asks again until nothing is missing or
    /// the time is up. False where the server exports nothing: the ledger then knows of no arrival.
    pub async fn check(&self, ledger: &SharedLedger, node_ids: &[String]) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            ledger.lock().forget_arrivals();
            for node_id in node_ids {
                let Some(push) = self.export(&format!("node_id=\"{node_id}\"")).await? else {
                    return Ok(false);
                };
                ledger.lock().arrived(&push);
            }
            if ledger.verdict().lost == 0 || Instant::now() >= deadline {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// VictoriaMetrics remembers for ten seconds which series a selector has found. One that is never the same is
    /// looked up anew, also if it was asked too early; what it adds is true of every series.
    fn selector(&self, matcher: &str) -> String {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        format!("{{{matcher},asked_before!=\"{asked}\"}}")
    }
}

/// For a query's value: all bytes but those that are never special.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A line of the export.
#[derive(Debug, Deserialize)]
struct Line {
    /// Sorted by name, as a label section is.
    metric: BTreeMap<String, String>,
    values: Vec<Value>,
    timestamps: Vec<i64>,
}

/// JSON has no word for some numbers; see [`in_json`].
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Word(Word),
    /// `null`: any NaN, the stale marker too.
    Nothing(()),
}

#[derive(Debug, Deserialize)]
enum Word {
    #[serde(rename = "Infinity")]
    Infinity,
    #[serde(rename = "-Infinity")]
    NegativeInfinity,
    NaN,
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Word(Word::Infinity) => f64::INFINITY,
            Self::Word(Word::NegativeInfinity) => f64::NEG_INFINITY,
            Self::Word(Word::NaN) | Self::Nothing(()) => f64::NAN,
        }
    }
}

/// A line with all its values as JSON: VictoriaMetrics before 1.8x writes infinities bare, and a stale marker that
/// comes first.
fn in_json(line: &str) -> Cow<'_, str> {
    // Within a label the quotes would be escaped.
    let bare = line.split_once(r#""values":["#).and_then(|(_, rest)| rest.split_once(']'));
    let Some((values, _)) = bare.filter(|(values, _)| values.contains("Inf") || values.contains("NaN"))
    else {
        return line.into();
    };
    let quoted = values.split(',').map(|value| match value {
        "+Inf" => r#""Infinity""#,
        "-Inf" => r#""-Infinity""#,
        "NaN" => "null",
        other => other,
    });
    line.replacen(values, &quoted.collect::<Vec<_>>().join(","), 1).into()
}

fn parse(body: &[u8]) -> serde_json::Result<Push> {
    let mut push = PushBuilder::default();
    for line in String::from_utf8_lossy(body).lines() {
        let line: Line = serde_json::from_str(&in_json(line))?;
        let labels = push.store_with(|section| {
            for (name, value) in &line.metric {
                wire::append_label(section, name.as_bytes(), value.as_bytes());
            }
        });
        for (value, timestamp) in line.values.into_iter().zip(line.timestamps) {
            push.sample(Sample { value: value.number(), timestamp });
        }
        push.series(labels, Span::default());
    }
    Ok(push.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::HostLoad;
    use serde_json::json;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// What VictoriaMetrics exports of a push.
    fn export(push: &Push) -> Vec<u8> {
        let mut out = Vec::new();
        for series in push.series() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("labels are text");
            let labels = wire::labels(series.labels).map(|label| label.expect("well-formed"));
            let metric: BTreeMap<_, _> = labels.map(|label| (text(label.name), text(label.value))).collect();
            let values: Vec<f64> = series.samples.iter().map(|sample| sample.value).collect();
            let timestamps: Vec<i64> = series.samples.iter().map(|sample| sample.timestamp).collect();
            let line = json!({ "metric": metric, "values": values, "timestamps": timestamps });
            out.extend_from_slice(line.to_string().as_bytes());
            out.push(b'\n');
        }
        out
    }

    #[test]
    fn what_is_exported_is_to_the_bit_what_was_pushed() {
        let ledger = SharedLedger::default();
        let mut host = HostLoad::new(1, 0, 2_000);
        for at in 0..20 {
            let push = host.scrape(NOW_MS + at);
            ledger.lock().pushed(&push);
            ledger.lock().answered(&push);
            ledger.lock().arrived(&parse(&export(&push)).expect("well-formed"));
        }
        let verdict = ledger.verdict();
        assert!(verdict.is_clean() && verdict.delivered == 40_000, "{verdict:?}");
    }

    #[test]
    fn numbers_without_a_word_in_json_are_read() {
        for words in [r#"1,null,"Infinity","-Infinity","NaN""#, "1,NaN,+Inf,-Inf,null"] {
            let body = format!(r#"{{"metric":{{"a":"Inf"}},"values":[{words}],"timestamps":[1,2,3,4,5]}}"#);
            let push = parse(body.as_bytes()).expect("well-formed");
            let values: Vec<String> = push.samples().iter().map(|sample| sample.value.to_string()).collect();
            assert_eq!(values, ["1", "NaN", "inf", "-inf", "NaN"]);
        }
    }

    #[test]
    fn a_selector_is_written_so_that_no_byte_of_it_is_special() {
        assert_eq!(percent_encoded("{a=\"b c\"}"), "%7Ba%3D%22b%20c%22%7D");
    }

    #[test]
    fn no_selector_is_asked_twice() {
        let database = Database::new(SocketAddr::from(([127, 0, 0, 1], 1)), "/api/v1/write");
        let selectors = [(); 2].map(|()| database.selector(r#"a="b""#));
        assert_eq!(selectors, [r#"{a="b",asked_before!="0"}"#, r#"{a="b",asked_before!="1"}"#]);
    }

    #[test]
    fn the_export_stands_beside_the_write_path() {
        let path = |write| Database::new(SocketAddr::from(([127, 0, 0, 1], 1)), write).path;
        assert_eq!(path("/api/v1/write").as_deref(), Some("/api/v1/export"));
        assert_eq!(path("/victoriametrics/api/v1/write").as_deref(), Some("/victoriametrics/api/v1/export"));
        assert_eq!(path("/receive"), None);
    }

    #[test]
    fn a_page_that_is_no_export_is_told_from_one() {
        assert!(parse(b"<html>").is_err());
        assert!(parse(b"").expect("nothing stored").is_empty());
    }
}
