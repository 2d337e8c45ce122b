//! One push to one upstream, once: what a dead letter held, by hand.

use super::batch::{Packer, Packing, Part};
use super::client::{Client, WallClock};
use super::verdict::Verdict;
use super::worker::describe;
use crate::config::Upstream;
use crate::model::Push;

/// Sends `push` as a delivery would, within the deadline of the upstream.
///
/// # Errors
///
/// What it answered or why it did not, in one line without secrets. Nothing is tried again but another encoding.
pub async fn resend(upstream: &Upstream, push: &Push, wall: WallClock) -> Result<(), String> {
    let (mut client, mut packer) = (Client::new(upstream.clone(), wall), Packer::new());
    let whole = Part::whole(push.series().len());
    let mut packing = Packing::Zstd;
    loop {
        let outcome = client.send(packer.pack(push, &whole, packing), packing, 0).await;
        match Verdict::of(upstream.kind, packing, &outcome) {
            Verdict::Delivered => return Ok(()),
            Verdict::Repack => packing = Packing::Snappy,
            Verdict::Retry { .. } | Verdict::Split | Verdict::Reject { .. } => return Err(describe(&outcome)),
        }
    }
}
