//! Long work that a user watches, and may break off.

use std::future::Future;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Exit status of what was broken off, as of a shell after SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs `work` until it ends or is broken off. Whatever ends it, its future is dropped here: that ends the processes it has
/// started and removes its folders.
pub(super) fn unless_interrupted(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            // Asked first: a terminal's Ctrl-C ends the processes too, which is then no failure of theirs.
            biased;
            interrupted = interrupted() => interrupted.map(|()| ExitCode::from(INTERRUPTED)),
            done = work => done,
        }
    })
}

/// Returns at Ctrl-C, SIGTERM, or when the terminal goes away.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
