//! One push to one upstream, once: what a dead letter held, by hand.

use super::batch::{Packer, Packing, Part};
use super::client::{Client, WallClock};
use super::failover::Target;
use super::verdict::Verdict;
use super::worker::describe;
use crate::config::Upstream;
use crate::model::Push;

/// A push that was not taken: what the upstream answered, or why it did not, in one line without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It takes no such content.
    Refused(String),
    /// It takes nothing now.
    Away(String),
}

/// Sends `push` as a delivery would, within the deadline of the upstream. Nothing is tried again but another
/// encoding, and each of its URLs where those before are away.
pub async fn resend(upstream: &Upstream, push: &Push, wall: WallClock) -> Result<(), NotTaken> {
    let (mut client, mut packer) = (Client::new(upstream.clone(), wall), Packer::new());
    if let Some(nowhere) = upstream.nowhere() {
        return Err(NotTaken::Away(nowhere));
    }
    let whole = Part::whole(push.series().len());
    let mut target = Target { url: 0, is_probe: false };
    let mut packing = Packing::Zstd;
    loop {
        let outcome = client.send(target, packer.pack(push, &whole, packing), packing, 0).await;
        match Verdict::of(upstream.kind, packing, &outcome) {
            Verdict::Delivered => return Ok(()),
            Verdict::Repack => packing = Packing::Snappy,
            Verdict::Retry { .. } if target.url + 1 < upstream.urls.len() => {
                target.url += 1;
                packing = Packing::Zstd;
            }
            Verdict::Retry { .. } => return Err(NotTaken::Away(describe(&outcome))),
            Verdict::Split | Verdict::Reject { .. } => return Err(NotTaken::Refused(describe(&outcome))),
        }
    }
}
