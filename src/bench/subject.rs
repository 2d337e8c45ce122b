//! What is measured: a program that is started, or an agent that runs already.

use super::contender::Contender;
use super::target::Target;
use crate::harness::{ReservedPort, SharedLedger, Upstream};
use anyhow::Context;
use std::net::SocketAddr;

/// What is measured.
#[derive(Debug)]
pub enum Subject {
    /// A program that is started for each run.
    Started { contender: Contender, version: Option<String> },
    /// An agent that runs already, and is only pushed to.
    Running {
        target: Target,
        /// Where the upstream that verifies has to listen; none where nobody verifies.
        upstream: Option<SocketAddr>,
    },
}

impl Subject {
    /// Asks the program for its version.
    pub fn started(contender: Contender) -> Self {
        let version = contender.version();
        Self::Started { contender, version }
    }

    /// As reports name it.
    pub fn name(&self) -> &str {
        match self {
            Self::Started { contender, .. } => &contender.name,
            Self::Running { target, .. } => target.url(),
        }
    }

    /// Whether it is held to lose nothing. So is what runs already.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Started { contender, .. } => contender.is_ours(),
            Self::Running { .. } => true,
        }
    }

    pub(super) fn version(&self) -> Option<String> {
        match self {
            Self::Started { version, .. } => version.clone(),
            Self::Running { .. } => None,
        }
    }

    /// Of what runs already.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Started { .. } => None,
            Self::Running { target, .. } => Some(target.address()),
        }
    }

    /// Where remote write is pushed to; none is the usual path.
    pub(super) fn push_path(&self) -> Option<&str> {
        match self {
            Self::Started { contender, .. } => contender.profile.push.as_deref(),
            Self::Running { target, .. } => Some(target.path()),
        }
    }

    /// Where the harness' own upstream listens.
    pub(super) fn upstream(&self, ledger: &SharedLedger) -> anyhow::Result<Option<Upstream>> {
        match self {
            Self::Started { .. } => Upstream::start(ledger).context("cannot listen on 127.0.0.1").map(Some),
            Self::Running { upstream: None, .. } => Ok(None),
            Self::Running { upstream: Some(address), .. } => {
                let listening = ReservedPort::at(*address).and_then(|port| Upstream::start_on(port, ledger));
                listening.with_context(|| format!("cannot listen on {address}")).map(Some)
            }
        }
    }
}
