//! The agent's own metrics as a file, for the textfile collector of node_exporter: what `/metrics` serves but for `process_`,
//! which node_exporter says of itself, and would then say twice.
//!
//! The file is there whole or not at all, for everybody to read, and goes when the agent ends or writes to another one: what
//! is found there is never the word of an agent that was stopped. After a kill its age tells.

use super::{Append, State};
use crate::atomic_file;
use crate::config::{Config, SelfMetrics};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// node_exporter is another user.
const MODE: u32 = 0o644;

/// Writes the file as the configuration in force says, until the server drains.
pub async fn write_textfile<A: Append>(state: Arc<State<A>>, mut config: watch::Receiver<Arc<Config>>) {
    loop {
        let settings = config.borrow_and_update().self_metrics.clone();
        let is_same = |config: &Arc<Config>| {
            let SelfMetrics { textfile, interval, .. } = &config.self_metrics;
            *textfile == settings.textfile && *interval == settings.interval
        };
        let ends = tokio::select! {
            biased;
            () = state.drain_begins() => true,
            changed = config.wait_for(|config| !is_same(config)) => changed.is_err(),
            () = write_each(&state, &settings) => false,
        };
        if let Some(path) = &settings.textfile
            && (ends || config.borrow().self_metrics.textfile != settings.textfile)
        {
            let _ = fs::remove_file(path);
        }
        if ends {
            return;
        }
    }
}

/// Writes at once and then each interval.
async fn write_each<A: Append>(state: &Arc<State<A>>, settings: &SelfMetrics) {
    let Some(path) = &settings.textfile else { return std::future::pending().await };
    let mut ticks = interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_written = true;
    loop {
        ticks.tick().await;
        // To the end of it: the file may be removed then.
        let written = tokio::task::block_in_place(|| write(path, &state.metrics_page()));
        match &written {
            Ok(()) if !was_written => tracing::info!(path = %path.display(), "the textfile is written again"),
            Err(error) if was_written => {
                tracing::warn!(path = %path.display(), %error, "the textfile cannot be written, trying again");
            }
            _ => {}
        }
        was_written = written.is_ok();
    }
}

fn write(path: &Path, page: &str) -> io::Result<()> {
    atomic_file::publish(path, without_process(page).as_bytes(), MODE)
}

/// The metrics that no other program says of itself, with their comments.
fn without_process(page: &str) -> String {
    let is_own = |line: &&str| {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        !name.starts_with("process_")
    };
    page.lines().filter(is_own).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_node_exporter_says_of_itself_is_left_out() {
        let page = "# HELP a b process_\n# TYPE a gauge\na{process_=\"x\"} 1\n# HELP process_threads Threads\n# TYPE process_threads gauge\n\
                    process_threads 4\n";
        assert_eq!(without_process(page), "# HELP a b process_\n# TYPE a gauge\na{process_=\"x\"} 1\n");
    }
}
