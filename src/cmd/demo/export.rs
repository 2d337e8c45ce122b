//! Reads back what a VictoriaMetrics database holds of the demo, to hand it to the ledger.

use super::side::Checked;
use crate::harness::{Client, SharedLedger};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// VictoriaMetrics shows what it has taken after a second or so.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// Where the upstream's samples can be read.
#[derive(Debug)]
pub(super) struct Database {
    address: SocketAddr,
    /// None where the write path is not one of VictoriaMetrics.
    path: Option<String>,
    node_ids: Vec<String>,
}

impl Database {
    /// The database behind the write path `write`; `node_ids` name the series of this run.
    pub(super) fn new(address: SocketAddr, write: &str, node_ids: Vec<String>) -> Self {
        let path = write.strip_suffix("/api/v1/write").map(|prefix| format!("{prefix}/api/v1/export"));
        Self { address, path, node_ids }
    }

    /// Notes all that the database holds as arrived. Asks again until nothing is missing or the time is up.
    pub(super) async fn check(&self, ledger: &SharedLedger) -> anyhow::Result<Checked> {
        let Some(path) = &self.path else { return Ok(Checked::Nothing) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            ledger.lock().forget_arrivals();
            for node_id in &self.node_ids {
                let query = format!("{path}?match%5B%5D=%7Bnode_id%3D%22{node_id}%22%7D");
                let answer = Client::new(self.address).get(&query).await;
                let answer = answer.context("the database does not answer the export")?;
                if answer.status != 200 {
                    return Ok(Checked::Nothing);
                }
                let Ok(push) = parse(&answer.body) else { return Ok(Checked::Nothing) };
                ledger.lock().arrived(&push);
            }
            if ledger.verdict().lost == 0 || Instant::now() >= deadline {
                return Ok(Checked::Export);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A line of the export.
#[derive(Debug, Deserialize)]
struct Line {
    /// Sorted by name, as a label section is.
    metric: BTreeMap<String, String>,
    values: Vec<f64>,
    timestamps: Vec<i64>,
}

fn parse(body: &[u8]) -> serde_json::Result<Push> {
    let mut push = PushBuilder::default();
    for line in serde_json::Deserializer::from_slice(body).into_iter::<Line>() {
        let line = line?;
        let labels = push.store_with(|section| {
            for (name, value) in &line.metric {
                wire::append_label(section, name.as_bytes(), value.as_bytes());
            }
        });
        for (value, timestamp) in line.values.into_iter().zip(line.timestamps) {
            push.sample(Sample { value, timestamp });
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
    fn the_export_stands_beside_the_write_path() {
        let path = |write| Database::new(SocketAddr::from(([127, 0, 0, 1], 1)), write, Vec::new()).path;
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
