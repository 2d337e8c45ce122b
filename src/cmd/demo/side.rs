//! The upstream's side of the demo: our own that verifies, or a real server behind a relay.

use super::delivery::{Delivery, Wire};
use super::view::View;
use crate::bench::Target;
use crate::harness::{Agent, Database, Relay, SharedLedger, Upstream};
use crate::status::UpstreamStatus;
use anyhow::{Context, ensure};

/// Where the agent delivers to.
#[derive(Debug)]
pub(super) enum Side {
    /// The ledger sees every arrival.
    Own(Upstream),
    /// What arrives is known from the agent's status, and afterwards from the database if it can be asked.
    Real(Real),
}

/// A real server behind a relay, whose closing is the outage.
#[derive(Debug)]
pub(super) struct Real {
    relay: Relay,
    url: String,
    path: String,
    database: Database,
    /// They name the series of this run.
    node_ids: Vec<String>,
}

/// What the database was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// The ledger saw every arrival.
    Arrivals,
    /// The ledger was given what an export of the database holds: no order, as it is sorted by then.
    Export,
    /// The server exports nothing: only the agent's own account stands.
    Nothing,
}

impl Side {
    pub(super) async fn start(
        url: Option<&str>,
        ledger: &SharedLedger,
        node_ids: Vec<String>,
    ) -> anyhow::Result<Self> {
        let Some(url) = url else {
            return Ok(Self::Own(Upstream::start(ledger).context("cannot listen on 127.0.0.1")?));
        };
        let target = Target::find(url).await?;
        Ok(Self::Real(Real {
            relay: Relay::start(target.address()).context("cannot listen on 127.0.0.1")?,
            url: url.to_owned(),
            database: Database::new(target.address(), target.path()),
            node_ids,
            path: target.path().to_owned(),
        }))
    }

    /// What the agent is given as the URL of its upstream.
    pub(super) fn agent_url(&self) -> String {
        match self {
            Self::Own(upstream) => upstream.url(),
            Self::Real(real) => format!("http://{}{}", real.relay.address(), real.path),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Own(upstream) => format!("its upstream, at {}, checks every sample", upstream.address()),
            Self::Real(real) => format!("its upstream is {}, through a relay", real.url),
        }
    }

    pub(super) async fn close(&mut self) {
        match self {
            Self::Own(upstream) => upstream.close().await,
            Self::Real(real) => real.relay.close().await,
        }
    }

    pub(super) fn open(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Own(upstream) => upstream.open(),
            Self::Real(real) => real.relay.open(),
        }
        .context("cannot listen again")
    }

    pub(super) async fn delivery(&self, agent: &Agent, ledger: &SharedLedger) -> anyhow::Result<Delivery> {
        match self {
            Self::Own(upstream) => {
                let (verdict, totals) = (ledger.verdict(), upstream.totals());
                Ok(Delivery {
                    samples: verdict.delivered,
                    held: verdict.lost,
                    wire: Wire { samples: totals.samples, bytes: totals.body_bytes },
                })
            }
            Self::Real(real) => {
                let status = upstream_status(agent).await?;
                Ok(Delivery {
                    samples: status.samples_sent,
                    held: status.backlog_samples,
                    wire: Wire { samples: status.samples_sent, bytes: real.relay.bytes_sent() },
                })
            }
        }
    }

    /// Completes the ledger with what the upstream holds, and says what the ledger now stands on.
    pub(super) async fn check(&self, ledger: &SharedLedger, view: &View) -> anyhow::Result<Checked> {
        match self {
            Self::Own(_) => Ok(Checked::Arrivals),
            Self::Real(real) => {
                view.phase("     the samples are read back from the database");
                let checked = real.database.check(ledger, &real.node_ids).await;
                let is_export = checked.context("the database does not answer the export")?;
                Ok(if is_export { Checked::Export } else { Checked::Nothing })
            }
        }
    }
}

/// The agent's account of its only upstream.
pub(super) async fn upstream_status(agent: &Agent) -> anyhow::Result<UpstreamStatus> {
    let mut status = agent.status().await.context("cannot read the agent's status")?;
    ensure!(!status.upstreams.is_empty(), "the agent's status names no upstream");
    Ok(status.upstreams.swap_remove(0))
}
