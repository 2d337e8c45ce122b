//! Sends letters once more.
//!
//! Straight to the upstream that refused them, not by way of the agent: pushed there, they would go to all upstreams.

use super::{Reading, chosen, print, remove};
use crate::cli;
use crate::cmd::place::refuse;
use crate::cmd::wall;
use crate::config::{self, Upstream};
use crate::dead_letter::{Entry, Folder, Letter};
use crate::replay::{NotTaken, resend};
use crate::status::human;
use std::collections::BTreeSet;
use std::process::ExitCode;

pub(super) fn retry(args: &cli::RetryLetters) -> anyhow::Result<ExitCode> {
    let loaded = match config::load(args.config.as_deref(), &args.overrides.with_environment()) {
        Ok(loaded) => loaded,
        Err(errors) => return Ok(refuse(&errors)),
    };
    let folder = Folder::new(loaded.config.dead_letter_folder());
    let entries = chosen(&folder, &args.numbers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reading = Reading::new(&folder);
    let (mut delivered, mut away) = (0_u64, BTreeSet::new());
    for entry in &entries {
        // Nobody is there: the next one would wait as long.
        if away.contains(&entry.upstream) {
            continue;
        }
        let Some(letter) = reading.read(entry) else { continue };
        let upstream = loaded.config.upstreams.iter().find(|upstream| upstream.name == letter.upstream);
        match runtime.block_on(send(upstream, &letter)) {
            Ok(()) => {
                remove(&folder, entry)?;
                delivered += 1;
                print(&told(entry, &letter));
            }
            Err(NotTaken::Refused(why)) => reading.failed(&kept(entry, &why)),
            Err(NotTaken::Away(why)) => {
                reading.failed(&kept(entry, &why));
                away.insert(&entry.upstream);
            }
        }
    }
    print(&format!("{} of {} dead letters delivered\n", human::count(delivered), entries.len()));
    Ok(reading.code())
}

async fn send(upstream: Option<&Upstream>, letter: &Letter) -> Result<(), NotTaken> {
    let Some(upstream) = upstream else {
        return Err(NotTaken::Away(format!(
            "upstream {} is not configured any more: `export` it, and push it where it belongs",
            letter.upstream
        )));
    };
    let push = letter.push().map_err(|error| NotTaken::Refused(error.to_string()))?;
    resend(upstream, &push, wall::now).await
}

fn told(entry: &Entry, letter: &Letter) -> String {
    let samples = human::count(letter.samples);
    format!("letter {}: {samples} samples delivered to {}\n", entry.number, letter.upstream)
}

fn kept(entry: &Entry, why: &str) -> String {
    format!("letter {} to {} was not taken and is kept: {why}", entry.number, entry.upstream)
}
